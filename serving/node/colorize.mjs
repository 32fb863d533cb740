// Colors photographs at a TensorFlow Serving server.
//
//   npm install
//   node colorize.mjs localhost:8500 tfcolor photo.jpg ...
//
// Writes photo_colorized.png beside each. JPEG and PNG files only, and as the
// camera stored them: see tfcolor_client for orientation, TIFF and metadata.

import { readFile, writeFile } from "node:fs/promises";
import { parse, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const DEADLINE_MS = 120_000;

const proto = fileURLToPath(new URL("prediction_service.proto", import.meta.url));
const { tensorflow } = grpc.loadPackageDefinition(
  protoLoader.loadSync(proto, { keepCase: true, longs: Number, enums: String }),
);

function connect(address) {
  const credentials = grpc.credentials.createInsecure();
  // gRPC's own limit of 4 MiB is too small for a photograph.
  const limits = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  const call = (Service, method) => {
    const client = new Service(address, credentials, limits);
    const invoke = promisify(client[method]).bind(client);
    return (request) => invoke(request, { deadline: Date.now() + DEADLINE_MS });
  };
  return {
    status: call(tensorflow.serving.ModelService, "GetModelStatus"),
    predict: call(tensorflow.serving.PredictionService, "Predict"),
  };
}

/** Returns the versions of a model that can be asked. */
export async function availableVersions(address, model) {
  const answer = await connect(address).status({ model_spec: { name: model } });
  return answer.model_version_status
    .filter(({ state }) => state === "AVAILABLE")
    .map(({ version }) => version);
}

/** Colors encoded photographs; returns a PNG for each, empty where it failed. */
export async function colorize(address, model, photographs) {
  const answer = await connect(address).predict({
    model_spec: { name: model, signature_name: "serving_default" },
    inputs: {
      image_bytes: {
        dtype: "DT_STRING",
        tensor_shape: { dim: [{ size: photographs.length }] },
        string_val: photographs,
      },
    },
  });
  return answer.outputs.image_bytes.string_val;
}

async function main([address, model, ...paths]) {
  if (!paths.length) {
    console.error("usage: node colorize.mjs HOST:PORT MODEL PHOTO ...");
    return 2;
  }
  const versions = await availableVersions(address, model);
  console.log(`${model} has the versions ${versions.join(", ") || "(none)"}`);
  const colored = await colorize(address, model, await Promise.all(paths.map((path) => readFile(path))));
  for (const [index, path] of paths.entries()) {
    if (!colored[index].length) {
      console.error(`${path}: the server could not decode or color it`);
      process.exitCode = 1;
      continue;
    }
    const { dir, name } = parse(path);
    const target = join(dir, `${name}_colorized.png`);
    await writeFile(target, colored[index]);
    console.log(`wrote ${target}`);
  }
  return process.exitCode ?? 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(`${grpc.status[error.code] ?? error.name}: ${error.details ?? error.message}`);
    process.exitCode = 1;
  }
}
