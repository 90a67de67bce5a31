// Landscapes by name, and paths on them.
#include <array>
#include <stdexcept>

#include "bindings/bind.h"
#include "train/path.h"

namespace fallline {
namespace {

using Numbers = py::array_t<double, py::array::c_style>;

int index_of(const std::string& name) {
  for (int i = 0; i < landscape_count(); ++i) {
    if (name == landscape(i).about->name) return i;
  }
  throw std::invalid_argument("[landscapes] there is no landscape named '" + name + "'");
}

py::list places(const LandscapeRow& row, int which) {
  py::list out;
  for (size_t i = 0; i < row.counts[which]; ++i) {
    const Place& p = row.places[which][i];
    out.append(py::make_tuple(p[0], p[1], p[2]));
  }
  return out;
}

py::dict about(const std::string& name) {
  const LandscapeRow& row = landscape(index_of(name));
  const Landscape& says = *row.about;
  py::dict out;
  out["title"] = says.title;
  out["formula"] = says.formula;
  out["teaches"] = says.teaches;
  out["domain"] = py::make_tuple(says.domain[0], says.domain[1], says.domain[2], says.domain[3]);
  out["start"] = py::make_tuple(says.start[0], says.start[1]);
  out["minima"] = py::tuple(places(row, 0));
  out["saddles"] = py::tuple(places(row, 1));
  out["logarithmic"] = says.logarithmic;
  out["dimensions"] = says.dimensions;
  return out;
}

// A line where there are points, else the landscape of that name.
struct Ground {
  const LandscapeRow* row;
  Numbers x, y;
  bool absolute;

  Ground(const std::string& name, const py::array& points_x, const py::array& points_y, bool mean_of_absolutes)
      : row(points_x.size() ? nullptr : &landscape(index_of(name))),
        x(points_x),
        y(points_y),
        absolute(mean_of_absolutes) {}
  Line line() const { return {x.data(), y.data(), x.size(), absolute}; }

  // The value, the derivatives by x and by y; of a line, of the points in `rows` where there are some.
  std::array<double, 3> gradient(double a, double b, const std::vector<int64_t>& rows) const {
    std::array<double, 3> out;
    if (row) {
      row->gradient(a, b, out.data());
    } else if (rows.empty()) {
      line_loss(line(), nullptr, x.size(), a, b, out.data());
    } else {
      line_loss(line(), rows.data(), static_cast<int64_t>(rows.size()), a, b, out.data());
    }
    return out;
  }

  // Of arrays of one size.
  py::array values(const py::array& at_x, const py::array& at_y) const {
    const Numbers a(at_x), b(at_y);
    Numbers out(a.size());
    for (py::ssize_t i = 0; i < a.size(); ++i)
      out.mutable_data()[i] = row ? row->value(a.data()[i], b.data()[i]) : gradient(a.data()[i], b.data()[i], {})[0];
    return out;
  }
};

py::tuple walk_on(const Ground& ground, const std::string& rule_name, py::array w, const py::list& slots,
                  const py::array& hyper_rows, int64_t t, std::array<double, 2> shift, int64_t batch, uint64_t seed) {
  const Numbers hypers(hyper_rows);
  const py::ssize_t steps = hypers.shape(0);
  std::vector<int64_t> rows(static_cast<size_t>(ground.x.size()));
  Terrain on{ground.row ? ground.row->gradient : nullptr,
             {shift[0], shift[1]},
             ground.line(),
             batch,
             seed,
             &shuffle_epoch,
             rows.data()};
  RuleTensor tensor{2, w.mutable_data(), nullptr, {}, 0};
  for (size_t s = 0; s < slots.size(); ++s) tensor.slots[s] = py::array(slots[s]).mutable_data();
  const DType dtype = w.itemsize() == 8 ? DType::kFloat64 : DType::kFloat32;
  Numbers points({steps + 1, py::ssize_t{2}}), losses(steps + 1), gradients({steps, py::ssize_t{2}});
  double *p = points.mutable_data(), *l = losses.mutable_data(), *g = gradients.mutable_data();
  const Walker walker{rule(rule_index(rule_name)), tensor, dtype, hypers.data(), t};
  {
    py::gil_scoped_release release;
    walk(on, walker, steps, p, l, g);
  }
  return py::make_tuple(points, losses, gradients);
}

}  // namespace

void bind_landscapes(py::module_& m) {
  m.def("landscape_names", [] {
    py::list names;
    for (int i = 0; i < landscape_count(); ++i) names.append(landscape(i).about->name);
    return names;
  });
  m.def("landscape_about", &about);
  m.def("landscape_recorded", [](const std::string& name, py::handle x, py::handle y) {
    return settle(landscape(index_of(name), to_var(x), to_var(y)));
  });
  m.def("shuffled_rows", [](uint64_t seed, int64_t epoch, int64_t n) {
    std::vector<int64_t> rows(static_cast<size_t>(n));
    shuffle_epoch(seed, epoch, n, rows.data());
    return rows;
  });
  py::class_<Ground>(m, "Ground")
      .def(py::init<const std::string&, const py::array&, const py::array&, bool>(), py::arg("name"),
           py::arg("x") = Numbers(0), py::arg("y") = Numbers(0), py::arg("absolute") = false)
      .def("values", &Ground::values)
      .def("gradient", &Ground::gradient, py::arg("x"), py::arg("y"), py::arg("rows") = std::vector<int64_t>())
      .def("walk", &walk_on);
}

}  // namespace fallline
