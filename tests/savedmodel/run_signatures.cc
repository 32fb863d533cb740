// Runs every signature of a SavedModel through TensorFlow's C++ loader, which is
// the one that TensorFlow Serving uses. No Python, and nothing of tfcolor.
//
// Usage: run_signatures SAVED_MODEL FOLDER
//
// FOLDER/SIGNATURE/inputs/NAME holds each input as a serialized TensorProto;
// FOLDER/SIGNATURE/outputs/NAME gets each output as one.

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/platform/errors.h"
#include "tensorflow/core/public/session.h"

namespace {

using tensorflow::Env;
using tensorflow::SavedModelBundle;
using tensorflow::SignatureDef;
using tensorflow::Status;
using tensorflow::Tensor;
using tensorflow::TensorProto;

namespace fs = std::filesystem;

// Runs one signature on the tensors in `folder`/inputs.
Status RunSignature(const SavedModelBundle& bundle, const SignatureDef& signature,
                    const fs::path& folder) {
  std::vector<std::pair<std::string, Tensor>> inputs;
  for (const auto& [name, info] : signature.inputs()) {
    TensorProto proto;
    TF_RETURN_IF_ERROR(ReadBinaryProto(Env::Default(), folder / "inputs" / name, &proto));
    Tensor tensor;
    if (!tensor.FromProto(proto)) {
      return tensorflow::errors::InvalidArgument("not a tensor: ", name);
    }
    inputs.emplace_back(info.name(), tensor);
  }
  std::vector<std::string> names, fetches;
  for (const auto& [name, info] : signature.outputs()) {
    names.push_back(name);
    fetches.push_back(info.name());
  }
  std::vector<Tensor> outputs;
  TF_RETURN_IF_ERROR(bundle.session->Run(inputs, fetches, {}, &outputs));
  fs::create_directories(folder / "outputs");
  for (size_t index = 0; index < outputs.size(); ++index) {
    TensorProto proto;
    outputs[index].AsProtoField(&proto);
    TF_RETURN_IF_ERROR(WriteBinaryProto(Env::Default(), folder / "outputs" / names[index], proto));
  }
  return tensorflow::OkStatus();
}

Status RunAll(const std::string& saved_model, const fs::path& folder) {
  SavedModelBundle bundle;
  TF_RETURN_IF_ERROR(LoadSavedModel(tensorflow::SessionOptions(), tensorflow::RunOptions(),
                                    saved_model, {"serve"}, &bundle));
  for (const auto& [name, signature] : bundle.GetSignatures()) {
    if (name == "__saved_model_init_op") continue;
    TF_RETURN_IF_ERROR(RunSignature(bundle, signature, folder / name));
  }
  return tensorflow::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s SAVED_MODEL FOLDER\n", argv[0]);
    return 2;
  }
  const Status status = RunAll(argv[1], argv[2]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
