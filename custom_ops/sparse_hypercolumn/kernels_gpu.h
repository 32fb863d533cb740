// The CUDA kernels behind a plain C interface: no TensorFlow, no CUDA headers.

#ifndef TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_KERNELS_GPU_H_
#define TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_KERNELS_GPU_H_

#include <stdint.h>

#include "kernels.h"

extern "C" {

// Every function launches on `stream` (a cudaStream_t) and returns NULL, or
// the description of an error. `type` is an ElementType. Pointers are to device
// memory, except for those to structures. Non-finite locations are taken for 0.

const char* TfcolorSampleOnGpu(int type, const tfcolor::MapGeometry* map, const void* features,
                               const float* locations, const tfcolor::ColumnsShape* shape,
                               void* columns, void* stream);

// Bytes of device memory that TfcolorScatterOnGpu needs at `scratch`.
int64_t TfcolorScatterScratchBytes(const tfcolor::ColumnsShape* shape);

// Adds to `gradient` if `adds`, else overwrites it. Deterministic: every cell
// is written once, by the block of the first location that touches it.
const char* TfcolorScatterOnGpu(int type, const tfcolor::MapGeometry* map, const float* locations,
                                const tfcolor::ColumnsShape* shape, const void* columns_gradient,
                                int adds, void* gradient, void* scratch, void* stream);

const char* TfcolorCopyOnGpu(const void* from, void* to, int64_t bytes, void* stream);

}  // extern "C"

#endif  // TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_KERNELS_GPU_H_
