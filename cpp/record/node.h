// What is remembered of one call, for the way back?
#ifndef FALLLINE_RECORD_NODE_H_
#define FALLLINE_RECORD_NODE_H_

#include "record/primitive.h"
#include "record/source.h"

namespace fallline {

struct Node {
  struct Input {
    NodePtr node;    // null where nothing is remembered
    int output = 0;  // of that node
    Var kept;        // the value, where the primitive's vjp reads it
    uint32_t version = 0;
    Dims shape;
  };
  uint64_t number = 0;                   // creation order over all threads: the tape
  uint64_t oldest = 0;                   // the least number of a leaf that this depends on
  const Primitive* primitive = nullptr;  // null for a leaf
  OwnAttrs attrs;
  CallSite source;                // of the call, while checks are on
  Input few[2];                   // most calls have no more inputs
  std::unique_ptr<Input[]> many;  // or else
  Input* inputs = few;
  int input_count = 0;
  Var out;  // the output without its node (which would be a cycle), where vjp reads it
  uint32_t out_version = 0;
  struct Kept {
    Var value;
    uint32_t version = 0;
  };
  std::vector<Kept> outs;       // likewise of a row with several outputs
  bool wants_gradient = false;  // a leaf made by the user
  Var gradient;                 // and what backward has accumulated for it
  bool let_go = false;          // what it kept, by a backward that was the last one
  void forget();

  Node();
  Node(const Node&) = delete;
  void make_inputs(int count);
  ~Node();  // iterative: a chain of a million calls must not overflow the stack
};

// Throws TapeError where what a record keeps was written to since.
void check_version(const char* name, const Var& kept, uint32_t version);

}  // namespace fallline

#endif  // FALLLINE_RECORD_NODE_H_
