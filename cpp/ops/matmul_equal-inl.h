// Which other product has the same result and is done sooner?
// Per-target; included once per pass by matmul_kernels.cpp alone.

FL_BEGIN_TARGET

// One matrix that holds the rows of all products, where they lie in one row after the other.
MatmulArgs join_batch(MatmulArgs args) {
  args.m *= args.batch;
  args.batch = 1;
  return args;
}

// (a b)^T = b^T a^T, for c of few columns: its transpose has long rows, which fill the registers. There is no y.
MatmulArgs turn(MatmulArgs args) {
  std::swap(args.m, args.n);
  std::swap(args.a, args.b);
  std::swap(args.a_batch, args.b_batch);
  const int64_t row = args.a_row, column = args.a_col;
  args.a_row = args.b_col;
  args.a_col = args.b_row;
  args.b_row = column;
  args.b_col = row;
  args.c_row = args.n;
  args.bias_by_row = !args.bias_by_row;
  return args;
}

// c is one column without gaps. With a bias the turn pays from two registers of rows on.
template <class T>
bool one_column(const MatmulArgs& args) {
  constexpr int64_t kLanes = Pack<T>::kLanes;
  return args.n == 1 && args.m >= (args.bias ? 2 * kLanes : 2) && args.c_row == 1 && !args.finish &&
         args.epilogue != Epilogue::kReluGrad;
}

// c has too few columns to fill a register, but rows enough: c^T = b^T a^T is done sooner, if a lies for it, or if b
// would have to be packed anyway, the sums are long, and c is small enough for the copy of a to pay.
template <class T>
bool narrow(const MatmulArgs& args) {
  constexpr int64_t kLanes = Pack<T>::kLanes;
  const bool small = 2 * args.n <= kLanes || args.m <= 128;
  return args.batch == 1 && !args.finish && args.epilogue != Epilogue::kReluGrad && 4 * args.n <= 3 * kLanes &&
         args.m >= 2 * kLanes && args.m <= 1024 &&
         (args.a_row == 1 ? args.k >= 32 : args.b_col != 1 && args.k >= 256 && small);
}

FL_END_TARGET
