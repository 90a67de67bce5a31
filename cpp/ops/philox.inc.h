// FORMULA of the random blocks: Philox4x32-10. Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as
// 1, 2, 3". No guard, no includes, no namespace: included where there is a Pack.

// A lane's lower half is a word of the block; what is in its upper half never comes down.
using Word = Pack<uint64_t>;

FL_FN void philox_round(Word x[4], Word k0, Word k1) {
  const Word p0 = multiply_lower(x[0], Word(0xD2511F53)), p1 = multiply_lower(x[2], Word(0xCD9E8D57));
  x[0] = shift_right<32>(p1) ^ x[1] ^ k0;
  x[1] = p1;
  x[2] = shift_right<32>(p0) ^ x[3] ^ k1;
  x[3] = p0;
}

FL_FN Word pair(Word low, Word high) { return (low & Word(0xFFFFFFFF)) | shift_left<32>(high); }

// A block for each lane of kTurns registers of counters.
template <int kTurns>
FL_FN void philox_blocks(uint64_t key, const uint64_t* counters, uint32_t* words) {
  Word x[kTurns][4];
  FL_UNROLL
  for (int i = 0; i < kTurns; ++i) {
    const Word counter = Word::load(counters + static_cast<size_t>(i) * Word::kLanes);
    x[i][0] = counter;
    x[i][1] = shift_right<32>(counter);
    x[i][2] = x[i][3] = Word(0);
  }
  uint64_t k0 = key, k1 = key >> 32;
  for (int round = 0; round < 10; ++round) {
    FL_UNROLL
    for (int i = 0; i < kTurns; ++i) philox_round(x[i], Word(k0), Word(k1));
    k0 += 0x9E3779B9;  // Weyl sequence of the golden ratio
    k1 += 0xBB67AE85;  // and of sqrt(3) - 1
  }
  FL_UNROLL
  for (int i = 0; i < kTurns; ++i) {
    uint32_t* const to = words + static_cast<size_t>(i) * 4 * Word::kLanes;
    store_in_turns(pair(x[i][0], x[i][1]), pair(x[i][2], x[i][3]), to);
  }
}
