// What the page asks of the studio. Every failure is an ApiError with plain words.

export class ApiError extends Error {
  constructor(code, message, remedy = "") {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new ApiError(
      "gone", "The studio does not answer.", "Start it again on this machine, then try again.");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new ApiError(
    said.code ?? "failed", said.message ?? `The studio failed (${answer.status}).`, said.remedy);
}

const named = (path, file) => `${path}?name=${encodeURIComponent(file.name || "pasted.png")}`;
const one = (token) => `/api/photographs/${token}`;

export const limits = async () => (await ask("/api/limits")).json();

export async function open(file) {
  return (await ask(named("/api/photographs", file), { method: "POST", body: file })).json();
}

export async function before(token) {
  return (await ask(`${one(token)}/before`)).blob();
}

export async function picture(token, kind, look) {
  const body = JSON.stringify(look);
  return (await ask(`${one(token)}/${kind}`, { method: "POST", body })).blob();
}

export async function palette(token, row, column) {
  return (await ask(`${one(token)}/palette?row=${row}&column=${column}`)).json();
}

export async function giveReference(token, file) {
  return (await ask(named(`${one(token)}/reference`, file), { method: "PUT", body: file })).json();
}

export function forget(token) {
  fetch(one(token), { method: "DELETE", keepalive: true }).catch(() => {});
}
