// What happens between the gradient of a batch and the next batch?
#include "train/program.h"

#include "ops/plain.h"

namespace fallline {

Program::Place Program::place_of(const Array& home, const Array& wanted) {
  return {home, home.strides == wanted.strides ? Array() : Array::empty(wanted.layout())};
}

void Program::bind(Plan& plan, size_t input, const Place& place) {
  plan.bind(static_cast<int>(input) + 1, place.copied() ? place.staged.data : place.home.data);
}

Program::Program(std::vector<Scope> scopes, std::vector<Stage> stages, Array norm)
    : scopes_(std::move(scopes)), norm_(std::move(norm)) {
  for (Stage& stage : stages) {
    stages_.push_back({std::move(stage), {}, {}, {}, {}});
    prepare(stages_.back());
  }
}

// What comes out is written where it will stay, if the plan allows that: over the input that lies there, or where no
// input lies. The rest is copied after the run.
void Program::prepare(Ready& ready) {
  Plan& plan = *ready.stage.plan;
  for (size_t i = 0; i < ready.stage.inputs.size(); ++i) {
    const Array& home = ready.stage.inputs[i];
    ready.inputs.push_back(home.buffer ? place_of(home, plan.input(static_cast<int>(i) + 1)) : Place());
    if (home.buffer) {
      bind(plan, i, ready.inputs.back());
    } else {
      ready.gradients.push_back(i);
    }
  }
  for (int o = 0; o < plan.output_count(); ++o) {
    const Array& home = ready.stage.outputs[static_cast<size_t>(o)];
    bool here = home.strides == plan.output(o).strides && plan.own_bytes(o) > 0;
    for (size_t i = 0; here && i < ready.inputs.size(); ++i)
      here = ready.inputs[i].home.data != home.data || plan.may_replace(o, static_cast<int>(i) + 1);
    if (here) {
      plan.place_output(o, home.data);
    } else {
      ready.copied.push_back(o);
    }
  }
}

void Program::start(const std::vector<Array>& turns, std::vector<Array> rows) {
  for (size_t i = 0; i < scopes_.size(); ++i) {
    scopes_[i].turns = turns[i];
    scopes_[i].times = 0;
  }
  for (size_t i = 0; i < stages_.size(); ++i) stages_[i].rows = std::move(rows[i]);
}

void Program::bind_gradients(Ready& ready, const Plan& gradients, int first) {
  Plan& plan = *ready.stage.plan;
  for (size_t i : ready.gradients) {
    ready.inputs[i] = place_of(gradients.output(first + static_cast<int>(i)), plan.input(static_cast<int>(i) + 1));
    bind(plan, i, ready.inputs[i]);
  }
}

void Program::enter(Scope& scope) {
  if (scope.around < 0) {
    scope.open = true;
  } else {
    const Scope& around = scopes_[static_cast<size_t>(scope.around)];
    scope.open =
        around.open && *(scope.flag.buffer ? scope.flag.as<bool>() : scope.turns.as<bool>() + around.times - 1);
  }
  scope.times += scope.open;
}

void Program::run(Ready& ready, int64_t row) {
  Plan& plan = *ready.stage.plan;
  if (ready.rows.buffer) plan.bind(0, ready.rows.as<double>() + row * ready.rows.shape[1]);
  for (const Place& place : ready.inputs)
    if (place.copied()) cast(place.home, place.staged);
  plan.run_steps();
  for (int o : ready.copied) cast(plan.output(o), ready.stage.outputs[static_cast<size_t>(o)]);
  for (const Array& home : ready.stage.outputs) home.buffer->bump();
}

double Program::run(const Plan& gradients, int first) {
  if (bound_ != &gradients) {
    for (Ready& ready : stages_) bind_gradients(ready, gradients, first);
    bound_ = &gradients;
  }
  for (size_t stage = 0, scope = 0; stage <= stages_.size(); ++stage) {
    for (; scope < scopes_.size() && scopes_[scope].first == stage; ++scope) enter(scopes_[scope]);
    if (stage == stages_.size()) break;
    const Scope& within = scopes_[static_cast<size_t>(stages_[stage].stage.scope)];
    if (within.open) run(stages_[stage], within.times - 1);
  }
  return *norm_.as<double>();
}

}  // namespace fallline
