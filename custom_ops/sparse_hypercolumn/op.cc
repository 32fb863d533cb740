// The native ops as a graph sees them: Tfcolor>SparseHypercolumn,
// Tfcolor>HypercolumnTap, their gradients, and their shape functions.

#include "tensorflow/core/framework/op.h"

#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace tfcolor {
namespace {

using tensorflow::Status;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Reads locations [B, L, 2] at `input` and merges B into `batch`.
Status InferLocations(InferenceContext* context, int input, DimensionHandle* batch,
                      DimensionHandle* num_locations) {
  ShapeHandle locations;
  DimensionHandle unused;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(input), 3, &locations));
  TF_RETURN_IF_ERROR(context->WithValue(context->Dim(locations, 2), 2, &unused));
  TF_RETURN_IF_ERROR(context->Merge(*batch, context->Dim(locations, 0), batch));
  *num_locations = context->Dim(locations, 1);
  return tensorflow::OkStatus();
}

Status InferOffsets(InferenceContext* context, int input, int num_maps) {
  ShapeHandle unused;
  return context->Merge(context->input(input), context->MakeShape({num_maps, 2}), &unused);
}

Status InferSparseHypercolumn(InferenceContext* context) {
  int num_maps;
  TF_RETURN_IF_ERROR(context->GetAttr("N", &num_maps));
  DimensionHandle batch = context->UnknownDim(), num_locations;
  DimensionHandle channels = context->MakeDim(0);
  for (int i = 0; i < num_maps; ++i) {
    ShapeHandle features;
    TF_RETURN_IF_ERROR(context->WithRank(context->input(i), 4, &features));
    TF_RETURN_IF_ERROR(context->Merge(batch, context->Dim(features, 0), &batch));
    TF_RETURN_IF_ERROR(context->Add(channels, context->Dim(features, 3), &channels));
  }
  TF_RETURN_IF_ERROR(InferLocations(context, num_maps, &batch, &num_locations));
  TF_RETURN_IF_ERROR(InferOffsets(context, num_maps + 1, num_maps));
  context->set_output(0, context->MakeShape({batch, num_locations, channels}));
  return tensorflow::OkStatus();
}

Status InferSparseHypercolumnGrad(InferenceContext* context) {
  int num_maps;
  TF_RETURN_IF_ERROR(context->GetAttr("N", &num_maps));
  ShapeHandle columns;
  DimensionHandle num_locations;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 3, &columns));
  DimensionHandle batch = context->Dim(columns, 0);
  TF_RETURN_IF_ERROR(InferLocations(context, 1, &batch, &num_locations));
  TF_RETURN_IF_ERROR(context->Merge(num_locations, context->Dim(columns, 1), &num_locations));
  TF_RETURN_IF_ERROR(InferOffsets(context, 2, num_maps));
  for (int i = 0; i < num_maps; ++i) {
    ShapeHandle gradient;
    TF_RETURN_IF_ERROR(context->MakeShapeFromShapeTensor(3 + i, &gradient));
    TF_RETURN_IF_ERROR(context->WithRank(gradient, 4, &gradient));
    context->set_output(i, gradient);
  }
  return tensorflow::OkStatus();
}

Status InferHypercolumnTap(InferenceContext* context) {
  int64_t num_channels;
  TF_RETURN_IF_ERROR(context->GetAttr("num_channels", &num_channels));
  ShapeHandle features, offset;
  DimensionHandle num_locations;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 4, &features));
  DimensionHandle batch = context->Dim(features, 0);
  TF_RETURN_IF_ERROR(InferLocations(context, 1, &batch, &num_locations));
  TF_RETURN_IF_ERROR(context->Merge(context->input(2), context->MakeShape({2}), &offset));
  ShapeHandle columns = context->MakeShape({batch, num_locations, num_channels});
  if (context->num_inputs() > 3) {
    TF_RETURN_IF_ERROR(context->Merge(columns, context->input(3), &columns));
  }
  context->set_output(0, features);
  context->set_output(1, columns);
  return tensorflow::OkStatus();
}

Status InferHypercolumnTapGrad(InferenceContext* context) {
  ShapeHandle gradient, columns, offset;
  DimensionHandle num_locations;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 4, &gradient));
  TF_RETURN_IF_ERROR(context->WithRank(context->input(1), 3, &columns));
  DimensionHandle batch = context->Dim(gradient, 0);
  TF_RETURN_IF_ERROR(context->Merge(batch, context->Dim(columns, 0), &batch));
  TF_RETURN_IF_ERROR(InferLocations(context, 2, &batch, &num_locations));
  TF_RETURN_IF_ERROR(context->Merge(num_locations, context->Dim(columns, 1), &num_locations));
  TF_RETURN_IF_ERROR(context->Merge(context->input(3), context->MakeShape({2}), &offset));
  context->set_output(0, gradient);
  return tensorflow::OkStatus();
}

REGISTER_OP("Tfcolor>SparseHypercolumn")
    .Input("features: N * T")
    .Input("locations: float")
    .Input("offsets: float")
    .Output("columns: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("N: int >= 1")
    .Attr("strides: list(int) >= 1")
    .SetShapeFn(InferSparseHypercolumn)
    .Doc(R"doc(
Samples N maps [B, H, W, C] bilinearly at locations [B, L, 2], (row, column) in
input pixels, and joins their channels: [B, L, sum of C]. Map i is read at
(location - offsets[i]) / strides[i], clamped into the map.
)doc");

REGISTER_OP("Tfcolor>SparseHypercolumnGrad")
    .Input("columns_gradient: T")
    .Input("locations: float")
    .Input("offsets: float")
    .Input("sizes: N * int32")
    .Output("gradients: N * T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("N: int >= 1")
    .Attr("strides: list(int) >= 1")
    .SetShapeFn(InferSparseHypercolumnGrad)
    .Doc("Gradients of SparseHypercolumn with respect to its maps of the given sizes.");

REGISTER_OP("Tfcolor>HypercolumnTap")
    .Input("features: T")
    .Input("locations: float")
    .Input("offset: float")
    .Input("columns: M * T")
    .Output("passed_features: T")
    .Output("passed_columns: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("M: int >= 0")
    .Attr("stride: int")
    .Attr("first_channel: int")
    .Attr("num_channels: int")
    .SetShapeFn(InferHypercolumnTap)
    .Doc(R"doc(
Passes one map through and writes its slice of the columns [B, L, num_channels],
channels first_channel and up, in place where no one else holds them. Without
columns (M = 0) they are made, all other channels undefined.
)doc");

REGISTER_OP("Tfcolor>HypercolumnTapGrad")
    .Input("gradient: T")
    .Input("columns_gradient: T")
    .Input("locations: float")
    .Input("offset: float")
    .Output("sum: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("stride: int")
    .Attr("first_channel: int")
    .SetShapeFn(InferHypercolumnTapGrad)
    .Doc("Adds one map's sparse gradient to its dense one, in place where possible.");

}  // namespace
}  // namespace tfcolor
