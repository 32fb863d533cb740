// The kernels behind the native ops: validation of every input before memory
// is touched, then the CPU's or the GPU's loops.

#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels.h"
#include "tensorflow/core/framework/op_kernel.h"

#ifdef TFCOLOR_CUDA
#include "kernels_gpu.h"
#include "xla/stream_executor/stream.h"
#endif

namespace tfcolor {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Status;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::TensorShapeUtils;
using tensorflow::errors::InvalidArgument;

// -------------------------------------------------------------- Validation --

// Where inputs may be read: those of a GPU kernel lie out of reach.
enum class Memory { kHost, kDevice };

Status CheckFinite(const char* name, const Tensor& tensor) {
  const auto values = tensor.flat<float>();
  for (int64_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values(i))) {
      return InvalidArgument(name, " has the value ", values(i), " at flat index ", i,
                             "; expected finite numbers");
    }
  }
  return tensorflow::OkStatus();
}

Status CheckLocations(const Tensor& locations, Memory memory) {
  if (locations.dims() != 3 || locations.dim_size(2) != 2) {
    return InvalidArgument("locations has shape ", locations.shape().DebugString(),
                           "; expected [B, L, 2]");
  }
  return memory == Memory::kHost ? CheckFinite("locations", locations) : tensorflow::OkStatus();
}

Status CheckOffsets(const char* name, const Tensor& offsets, const TensorShape& expected) {
  if (offsets.shape() != expected) {
    return InvalidArgument(name, " has shape ", offsets.shape().DebugString(), "; expected ",
                           expected.DebugString());
  }
  return CheckFinite(name, offsets);
}

// Describes one map [B, H, W, C] whose batch size must be that of locations.
Status DescribeMap(const std::string& name, const TensorShape& size, int64_t batch, int64_t stride,
                   const float* offset, MapGeometry* map) {
  if (size.dims() != 4) {
    return InvalidArgument(name, " has shape ", size.DebugString(), "; expected [B, H, W, C]");
  }
  if (size.dim_size(0) != batch) {
    return InvalidArgument(name, " has batch size ", size.dim_size(0), " but locations has ", batch,
                           "; expected equal ones");
  }
  if (size.dim_size(1) < 1 || size.dim_size(2) < 1) {
    return InvalidArgument(name, " has shape ", size.DebugString(),
                           "; expected at least one row and column");
  }
  map->height = size.dim_size(1);
  map->width = size.dim_size(2);
  map->channels = size.dim_size(3);
  map->stride = stride;
  map->row_offset = offset[0];
  map->column_offset = offset[1];
  return tensorflow::OkStatus();
}

Status CheckColumns(const char* name, const Tensor& columns, const ColumnsShape& expected) {
  const TensorShape shape({expected.batch, expected.num_locations, expected.channels});
  if (columns.shape() != shape) {
    return InvalidArgument(name, " has shape ", columns.shape().DebugString(), "; expected ",
                           shape.DebugString());
  }
  return tensorflow::OkStatus();
}

Status CheckSlice(const MapGeometry& map, int64_t num_channels) {
  // In this order, so that the sum cannot overflow.
  if (map.channels <= num_channels && map.first_channel <= num_channels - map.channels) {
    return tensorflow::OkStatus();
  }
  return InvalidArgument("features has ", map.channels,
                         " channels, which from first_channel=", map.first_channel,
                         " on exceed the ", num_channels, " of columns");
}

// ----------------------------------------------------------------- Devices --

template <typename T>
ElementType TypeOf() {
  if (std::is_same<T, float>::value) return ElementType::kFloat32;
  return std::is_same<T, Eigen::half>::value ? ElementType::kHalf : ElementType::kBfloat16;
}

// Runs the kernels on one device. Every argument has been validated.
struct CpuDevice {
  static constexpr const char* kName = "CPU";
  static constexpr Memory kMemory = Memory::kHost;

  static ParallelFor Threads(OpKernelContext* context) {
    const auto* threads = context->device()->tensorflow_cpu_worker_threads();
    return
        [threads](int64_t total, int64_t cost, const std::function<void(int64_t, int64_t)>& work) {
          threads->workers->ParallelFor(total, cost, work);
        };
  }

  static void Sample(OpKernelContext* context, ElementType type,
                     const std::vector<MapGeometry>& maps, const std::vector<const void*>& features,
                     const float* locations, const ColumnsShape& shape, void* columns) {
    SampleOnCpu(type, maps, features, locations, shape, columns, Threads(context));
  }

  static void Scatter(OpKernelContext* context, ElementType type,
                      const std::vector<MapGeometry>& maps, const float* locations,
                      const ColumnsShape& shape, const void* columns_gradient,
                      tfcolor::Scatter mode, const std::vector<void*>& gradients) {
    ScatterOnCpu(type, maps, locations, shape, columns_gradient, mode, gradients, Threads(context));
  }

  static void Copy(OpKernelContext*, const Tensor& from, Tensor* to) {
    std::memcpy(to->data(), from.data(), from.TotalBytes());
  }

  static void Prepare(Tensor* fresh) { PreferHugePages(fresh->data(), fresh->TotalBytes()); }
};

#ifdef TFCOLOR_CUDA
// Launches on TensorFlow's stream. Non-finite locations cannot be an error
// here without waiting for the device; the kernels never index with them.
struct GpuDevice {
  static constexpr const char* kName = "GPU";
  static constexpr Memory kMemory = Memory::kDevice;

  static void* Stream(OpKernelContext* context) {
    return context->op_device_context()->stream()->platform_specific_handle().stream;
  }

  static void Check(OpKernelContext* context, const char* error) {
    OP_REQUIRES(context, error == nullptr, tensorflow::errors::Internal(error));
  }

  static void Sample(OpKernelContext* context, ElementType type,
                     const std::vector<MapGeometry>& maps, const std::vector<const void*>& features,
                     const float* locations, const ColumnsShape& shape, void* columns) {
    for (size_t i = 0; i < maps.size(); ++i) {
      Check(context, TfcolorSampleOnGpu(static_cast<int>(type), &maps[i], features[i], locations,
                                        &shape, columns, Stream(context)));
    }
  }

  static void Scatter(OpKernelContext* context, ElementType type,
                      const std::vector<MapGeometry>& maps, const float* locations,
                      const ColumnsShape& shape, const void* columns_gradient,
                      tfcolor::Scatter mode, const std::vector<void*>& gradients) {
    Tensor scratch;
    OP_REQUIRES_OK(context, context->allocate_temp(
                                tensorflow::DT_INT8,
                                TensorShape({TfcolorScatterScratchBytes(&shape)}), &scratch));
    for (size_t i = 0; i < maps.size(); ++i) {
      Check(context, TfcolorScatterOnGpu(static_cast<int>(type), &maps[i], locations, &shape,
                                         columns_gradient, mode == tfcolor::Scatter::kAdd,
                                         gradients[i], scratch.data(), Stream(context)));
    }
  }

  static void Copy(OpKernelContext* context, const Tensor& from, Tensor* to) {
    Check(context, TfcolorCopyOnGpu(from.data(), to->data(), from.TotalBytes(), Stream(context)));
  }

  static void Prepare(Tensor*) {}
};
#endif

// ----------------------------------------------------------------- Kernels --

// Reads and checks the attribute `strides`, or `stride`.
Status ReadStrides(OpKernelConstruction* context, int num_maps, std::vector<int64_t>* strides) {
  TF_RETURN_IF_ERROR(context->GetAttr("strides", strides));
  if (static_cast<int>(strides->size()) != num_maps) {
    return InvalidArgument("strides has ", strides->size(), " values; expected one for each of ",
                           num_maps, " maps");
  }
  for (const int64_t stride : *strides) {
    if (stride < 1) return InvalidArgument("strides has the value ", stride, "; expected >= 1");
  }
  return tensorflow::OkStatus();
}

Status ReadStride(OpKernelConstruction* context, int64_t* stride, int64_t* first_channel) {
  TF_RETURN_IF_ERROR(context->GetAttr("stride", stride));
  TF_RETURN_IF_ERROR(context->GetAttr("first_channel", first_channel));
  if (*stride < 1) return InvalidArgument("stride is ", *stride, "; expected >= 1");
  if (*first_channel < 0) {
    return InvalidArgument("first_channel is ", *first_channel, "; expected >= 0");
  }
  return tensorflow::OkStatus();
}

template <typename Device, typename T>
class SparseHypercolumnOp : public tensorflow::OpKernel {
 public:
  explicit SparseHypercolumnOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("N", &num_maps_));
    OP_REQUIRES_OK(context, ReadStrides(context, num_maps_, &strides_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& locations = context->input(num_maps_);
    const Tensor& offsets = context->input(num_maps_ + 1);
    OP_REQUIRES_OK(context, CheckLocations(locations, Device::kMemory));
    OP_REQUIRES_OK(context, CheckOffsets("offsets", offsets, TensorShape({num_maps_, 2})));
    ColumnsShape shape = {locations.dim_size(0), locations.dim_size(1), 0};
    std::vector<MapGeometry> maps(num_maps_);
    std::vector<const void*> features(num_maps_);
    for (int i = 0; i < num_maps_; ++i) {
      const Tensor& map = context->input(i);
      OP_REQUIRES_OK(context,
                     DescribeMap("features[" + std::to_string(i) + "]", map.shape(), shape.batch,
                                 strides_[i], offsets.flat<float>().data() + 2 * i, &maps[i]));
      maps[i].first_channel = shape.channels;
      shape.channels += maps[i].channels;
      features[i] = map.data();
    }
    Tensor* columns = nullptr;
    OP_REQUIRES_OK(
        context, context->allocate_output(
                     0, TensorShape({shape.batch, shape.num_locations, shape.channels}), &columns));
    if (columns->NumElements() == 0) return;
    Device::Prepare(columns);
    Device::Sample(context, TypeOf<T>(), maps, features, locations.flat<float>().data(), shape,
                   columns->data());
  }

 private:
  int num_maps_;
  std::vector<int64_t> strides_;
};

template <typename Device, typename T>
class SparseHypercolumnGradOp : public tensorflow::OpKernel {
 public:
  explicit SparseHypercolumnGradOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("N", &num_maps_));
    OP_REQUIRES_OK(context, ReadStrides(context, num_maps_, &strides_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& columns_gradient = context->input(0);
    const Tensor& locations = context->input(1);
    const Tensor& offsets = context->input(2);
    OP_REQUIRES_OK(context, CheckLocations(locations, Device::kMemory));
    OP_REQUIRES_OK(context, CheckOffsets("offsets", offsets, TensorShape({num_maps_, 2})));
    ColumnsShape shape = {locations.dim_size(0), locations.dim_size(1), 0};
    std::vector<MapGeometry> maps(num_maps_);
    std::vector<TensorShape> sizes(num_maps_);
    for (int i = 0; i < num_maps_; ++i) {
      const std::string name = "sizes[" + std::to_string(i) + "]";
      const Tensor& size = context->input(3 + i);
      OP_REQUIRES(
          context, TensorShapeUtils::IsVector(size.shape()),
          InvalidArgument(name, " has shape ", size.shape().DebugString(), "; expected a vector"));
      const Status status = TensorShapeUtils::MakeShape(size.vec<int32_t>(), &sizes[i]);
      OP_REQUIRES(context, status.ok(), InvalidArgument(name, ": ", status.message()));
      OP_REQUIRES_OK(context, DescribeMap(name, sizes[i], shape.batch, strides_[i],
                                          offsets.flat<float>().data() + 2 * i, &maps[i]));
      maps[i].first_channel = shape.channels;
      shape.channels += maps[i].channels;
    }
    OP_REQUIRES_OK(context, CheckColumns("columns_gradient", columns_gradient, shape));
    std::vector<void*> gradients(num_maps_);
    for (int i = 0; i < num_maps_; ++i) {
      Tensor* gradient = nullptr;
      OP_REQUIRES_OK(context, context->allocate_output(i, sizes[i], &gradient));
      Device::Prepare(gradient);
      gradients[i] = gradient->data();
    }
    if (shape.batch == 0) return;
    Device::Scatter(context, TypeOf<T>(), maps, locations.flat<float>().data(), shape,
                    columns_gradient.data(), Scatter::kOverwrite, gradients);
  }

 private:
  int num_maps_;
  std::vector<int64_t> strides_;
};

template <typename Device, typename T>
class HypercolumnTapOp : public tensorflow::OpKernel {
 public:
  explicit HypercolumnTapOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("M", &num_columns_));
    OP_REQUIRES_OK(context, context->GetAttr("num_channels", &num_channels_));
    OP_REQUIRES_OK(context, ReadStride(context, &stride_, &first_channel_));
    OP_REQUIRES(context, num_columns_ <= 1,
                InvalidArgument("columns has ", num_columns_, " tensors; expected at most one"));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& features = context->input(0);
    const Tensor& locations = context->input(1);
    const Tensor& offset = context->input(2);
    OP_REQUIRES_OK(context, CheckLocations(locations, Device::kMemory));
    OP_REQUIRES_OK(context, CheckOffsets("offset", offset, TensorShape({2})));
    const ColumnsShape shape = {locations.dim_size(0), locations.dim_size(1), num_channels_};
    MapGeometry map = {};
    OP_REQUIRES_OK(context, DescribeMap("features", features.shape(), shape.batch, stride_,
                                        offset.flat<float>().data(), &map));
    map.first_channel = first_channel_;
    OP_REQUIRES_OK(context, CheckSlice(map, num_channels_));
    Tensor* columns = nullptr;
    OP_REQUIRES_OK(context, ForwardColumns(context, shape, &columns));
    context->set_output(0, features);
    if (columns->NumElements() == 0) return;
    Device::Sample(context, TypeOf<T>(), {map}, {features.data()}, locations.flat<float>().data(),
                   shape, columns->data());
  }

 private:
  // Makes the columns, takes over those given, or copies them.
  Status ForwardColumns(OpKernelContext* context, const ColumnsShape& shape, Tensor** columns) {
    const TensorShape size({shape.batch, shape.num_locations, shape.channels});
    if (num_columns_ == 0) {
      TF_RETURN_IF_ERROR(context->allocate_output(1, size, columns));
      Device::Prepare(*columns);
      return tensorflow::OkStatus();
    }
    const Tensor& given = context->input(3);
    TF_RETURN_IF_ERROR(CheckColumns("columns", given, shape));
    TF_RETURN_IF_ERROR(context->forward_input_or_allocate_output({3}, 1, size, columns));
    if ((*columns)->data() != given.data()) Device::Copy(context, given, *columns);
    return tensorflow::OkStatus();
  }

  int num_columns_;
  int64_t num_channels_;
  int64_t stride_;
  int64_t first_channel_;
};

template <typename Device, typename T>
class HypercolumnTapGradOp : public tensorflow::OpKernel {
 public:
  explicit HypercolumnTapGradOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, ReadStride(context, &stride_, &first_channel_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& gradient = context->input(0);
    const Tensor& columns_gradient = context->input(1);
    const Tensor& locations = context->input(2);
    const Tensor& offset = context->input(3);
    OP_REQUIRES_OK(context, CheckLocations(locations, Device::kMemory));
    OP_REQUIRES_OK(context, CheckOffsets("offset", offset, TensorShape({2})));
    OP_REQUIRES(context, columns_gradient.dims() == 3,
                InvalidArgument("columns_gradient has shape ",
                                columns_gradient.shape().DebugString(), "; expected [B, L, C]"));
    const ColumnsShape shape = {locations.dim_size(0), locations.dim_size(1),
                                columns_gradient.dim_size(2)};
    OP_REQUIRES_OK(context, CheckColumns("columns_gradient", columns_gradient, shape));
    MapGeometry map = {};
    OP_REQUIRES_OK(context, DescribeMap("gradient", gradient.shape(), shape.batch, stride_,
                                        offset.flat<float>().data(), &map));
    map.first_channel = first_channel_;
    OP_REQUIRES_OK(context, CheckSlice(map, shape.channels));
    Tensor* sum = nullptr;
    OP_REQUIRES_OK(context,
                   context->forward_input_or_allocate_output({0}, 0, gradient.shape(), &sum));
    if (sum->data() != gradient.data()) Device::Copy(context, gradient, sum);
    if (columns_gradient.NumElements() == 0 || sum->NumElements() == 0) return;
    Device::Scatter(context, TypeOf<T>(), {map}, locations.flat<float>().data(), shape,
                    columns_gradient.data(), Scatter::kAdd, {sum->data()});
  }

 private:
  int64_t stride_;
  int64_t first_channel_;
};

#define TFCOLOR_REGISTER_ONE(op, Kernel, Backend, T, memory)                                \
  REGISTER_KERNEL_BUILDER(                                                                  \
      Name("Tfcolor>" op).Device(Backend::kName).TypeConstraint<T>("T").HostMemory(memory), \
      Kernel<Backend, T>)

#define TFCOLOR_REGISTER(Backend, T)                                                      \
  TFCOLOR_REGISTER_ONE("SparseHypercolumn", SparseHypercolumnOp, Backend, T, "offsets");  \
  TFCOLOR_REGISTER_ONE("HypercolumnTap", HypercolumnTapOp, Backend, T, "offset");         \
  TFCOLOR_REGISTER_ONE("HypercolumnTapGrad", HypercolumnTapGradOp, Backend, T, "offset"); \
  REGISTER_KERNEL_BUILDER(Name("Tfcolor>SparseHypercolumnGrad")                           \
                              .Device(Backend::kName)                                     \
                              .TypeConstraint<T>("T")                                     \
                              .HostMemory("offsets")                                      \
                              .HostMemory("sizes"),                                       \
                          SparseHypercolumnGradOp<Backend, T>)

TFCOLOR_REGISTER(CpuDevice, float);
TFCOLOR_REGISTER(CpuDevice, Eigen::half);
TFCOLOR_REGISTER(CpuDevice, tensorflow::bfloat16);

#ifdef TFCOLOR_CUDA
TFCOLOR_REGISTER(GpuDevice, float);
TFCOLOR_REGISTER(GpuDevice, Eigen::half);
TFCOLOR_REGISTER(GpuDevice, tensorflow::bfloat16);
#endif

}  // namespace
}  // namespace tfcolor
