// The studio's page: what is chosen, and what is shown of it.

import * as api from "./api.js";
import { Picker } from "./picker.js";
import { Stage } from "./stage.js";

const find = (id) => document.getElementById(id);
const FIRST_VERSIONS = 5;
const MORE_VERSIONS = 6;
const FINAL = ["too_large", "unreadable"]; // trying again would change nothing
const PLAIN = {
  hints: [], version: 0, saturation: "predicted", lean_strength: 0, lean_angle: 0, reference: "none",
};

const state = {
  file: null, reference: null, photograph: null, look: { ...PLAIN }, past: [],
  numVersions: FIRST_VERSIONS, isPainting: false, isStale: false, retry: () => {},
};
const stage = new Stage(pickAt, changeHint, tellPosition);
const picker = new Picker();

// ---- words -----------------------------------------------------------------

function say(text, isBusy = false) {
  find("status").textContent = text;
  document.body.toggleAttribute("data-busy", isBusy);
  find("stage").setAttribute("aria-busy", isBusy);
}

function complain(error, retry) {
  const isOurs = error instanceof api.ApiError;
  if (!isOurs) console.error(error);
  const words = isOurs ? `${error.message} ${error.remedy ?? ""}` : `The page failed: ${error.message}`;
  find("alert").hidden = false;
  find("alert").querySelector("p").textContent = words.trim();
  find("retry").hidden = !retry || FINAL.includes(error.code);
  state.retry = retry ?? (() => {});
  say("");
}

function calm() {
  find("alert").hidden = true;
}

function describeResult() {
  const { width, height } = state.photograph;
  const hints = state.look.hints.length;
  const count = hints ? `, ${hints} color hint${hints > 1 ? "s" : ""}` : "";
  return `${width} × ${height} pixels${count}`;
}

function tellPosition(row, column) {
  say(`Row ${row}, column ${column}. Enter chooses a color.`);
}

// ---- opening ---------------------------------------------------------------

async function openFile(file) {
  if (!file || document.body.hasAttribute("data-busy") && !state.photograph) return;
  calm();
  say(`Looking at ${file.name || "the photograph"}…`, true);
  try {
    const { max_bytes: maxBytes } = await api.limits();
    if (file.size > maxBytes) {
      throw new api.ApiError("too_large",
        `The file has ${(file.size / 1e6).toFixed(0)} MB; the limit is ${(maxBytes / 1e6).toFixed(0)} MB.`,
        "Save it smaller, or start the studio with a larger --max_upload_mb.");
    }
    const photograph = await api.open(file);
    if (state.photograph) api.forget(state.photograph.token);
    Object.assign(state, {
      file, photograph, reference: null, look: { ...PLAIN }, past: [], numVersions: FIRST_VERSIONS,
    });
    await showPhotograph();
  } catch (error) {
    complain(error, () => openFile(file));
  }
}

async function showPhotograph() {
  const { token, name, width, height, has_alternatives: hasAlternatives } = state.photograph;
  find("file-name").textContent = name;
  document.title = `${name} – tfcolor studio`;
  document.querySelectorAll('[data-needs="alternatives"]').forEach((element) => {
    element.hidden = !hasAlternatives;
  });
  find("transfer").value = hasAlternatives ? "energy" : "quantile";
  stage.reset(width, height);
  await stage.show("before", await api.before(token));
  await stage.show("after", await api.picture(token, "preview", state.look));
  document.body.dataset.state = "ready";
  buildVersions();
  showControls();
  await refresh();
  find("slider").focus({ preventScroll: true });
}

// Runs a request; a photograph that the studio has forgotten is sent once more.
async function withPhotograph(request) {
  const { photograph } = state;
  try {
    return await request(photograph.token);
  } catch (error) {
    if (error.code !== "forgotten") throw error;
    if (state.photograph === photograph) {
      state.photograph = await api.open(state.file);
      if (state.reference) await api.giveReference(state.photograph.token, state.reference);
    }
    return request(state.photograph.token);
  }
}

// ---- painting --------------------------------------------------------------

// One painting at a time; what changes meanwhile is painted next.
async function refresh() {
  state.isStale = true;
  if (state.isPainting) return;
  state.isPainting = true;
  try {
    while (state.isStale) {
      state.isStale = false;
      await paint();
    }
    calm();
    say(describeResult());
  } catch (error) {
    complain(error, refresh);
  } finally {
    state.isPainting = false;
  }
}

async function paint() {
  const look = structuredClone(state.look);
  say("Painting…", true);
  await stage.show("after", await withPhotograph((token) => api.picture(token, "preview", look)));
  find("overlay").hidden = !find("show-uncertainty").checked;
  if (find("show-uncertainty").checked && !state.isStale) {
    await stage.show("overlay", await withPhotograph((token) => api.picture(token, "uncertainty", look)));
  }
  if (!state.photograph.has_alternatives) return;
  say("Painting versions…", true);
  const shared = JSON.stringify({ ...look, version: 0 });
  for (const button of find("versions").children) {
    if (state.isStale) return;
    if (button.dataset.look === shared) continue;
    const version = Number(button.dataset.version);
    const blob = await withPhotograph((token) => api.picture(token, "thumbnail", { ...look, version }));
    const image = button.querySelector("img");
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
    image.hidden = false;
    button.dataset.look = shared;
  }
}

function change(changes) {
  Object.assign(state.look, changes);
  showControls();
  return refresh();
}

function changeHints(hints) {
  state.past.push(state.look.hints);
  return change({ hints });
}

// ---- versions --------------------------------------------------------------

function buildVersions() {
  find("versions").replaceChildren();
  addVersions(0, state.numVersions);
}

function addVersions(first, last) {
  for (let version = first; version <= last; version += 1) {
    const button = document.createElement("button");
    const caption = document.createElement("span");
    const image = document.createElement("img");
    caption.textContent = version ? `No. ${version}` : "Likeliest";
    image.alt = "";
    image.hidden = true;
    button.type = "button";
    button.className = "version";
    button.dataset.version = version;
    button.append(image, caption);
    button.addEventListener("click", () => change({ version }));
    find("versions").append(button);
  }
}

// ---- hints -----------------------------------------------------------------

async function pickAt(row, column, x, y) {
  if (!state.photograph.has_alternatives) return;
  const rgb = await chooseColor(row, column, x, y, false);
  if (!rgb) return;
  stage.reveal(column);
  await changeHints([...state.look.hints, { row, column, rgb }]);
}

async function changeHint(index, x, y) {
  const { hints } = state.look;
  const { row, column, rgb: old } = hints[index];
  find("custom").value = old;
  const rgb = await chooseColor(row, column, x, y, true);
  if (rgb === "remove") await changeHints(hints.filter((_, other) => other !== index));
  else if (rgb) await changeHints(hints.map((hint, other) => (other === index ? { row, column, rgb } : hint)));
}

function chooseColor(row, column, x, y, isThere) {
  const colors = withPhotograph((token) => api.palette(token, row, column)).catch((error) => {
    complain(error);
    return [];
  });
  return picker.choose(colors, x, y, isThere);
}

function showHints() {
  const { hints } = state.look;
  const items = hints.map((hint, index) => {
    const item = document.createElement("li");
    const swatch = document.createElement("button");
    const name = document.createElement("code");
    const remove = document.createElement("button");
    swatch.type = remove.type = "button";
    swatch.className = "swatch";
    swatch.style.backgroundColor = hint.rgb;
    swatch.setAttribute("aria-label", `Change hint ${index + 1}, ${hint.rgb}`);
    swatch.addEventListener("click", () => {
      const box = swatch.getBoundingClientRect();
      changeHint(index, box.left - 300, box.top);
    });
    name.textContent = hint.rgb;
    remove.className = "quiet";
    remove.textContent = "✕";
    remove.setAttribute("aria-label", `Remove hint ${index + 1}, ${hint.rgb}`);
    remove.addEventListener("click", () => changeHints(hints.filter((_, other) => other !== index)));
    item.append(swatch, name, remove);
    return item;
  });
  find("hints").replaceChildren(...items);
  find("hint-note").hidden = hints.length > 0;
  find("undo").disabled = state.past.length === 0;
  find("clear").disabled = hints.length === 0;
  stage.showMarks(hints);
}

function undo() {
  if (state.past.length) change({ hints: state.past.pop() });
}

// ---- reference -------------------------------------------------------------

async function openReference(file) {
  if (!file || !state.photograph) return;
  calm();
  say(`Reading ${file.name || "the reference"}…`, true);
  try {
    await withPhotograph((token) => api.giveReference(token, file));
    state.reference = file;
    await change({ reference: find("transfer").value });
  } catch (error) {
    complain(error, () => openReference(file));
  }
}

// ---- controls --------------------------------------------------------------

function showControls() {
  const { look } = state;
  for (const button of find("versions").children) {
    button.setAttribute("aria-pressed", Number(button.dataset.version) === look.version);
  }
  showHints();
  const hasReference = look.reference !== "none";
  find("reference-name").textContent = hasReference ? state.reference.name : "";
  find("drop-reference").hidden = !hasReference;
  find("transfer-row").hidden = !hasReference;
  find("vivid").checked = look.saturation === "vivid";
  find("vivid").disabled = look.version !== 0;
  find("lean-strength").value = look.lean_strength;
  find("lean-angle").disabled = look.lean_strength === 0;
  find("uncertainty-tools").hidden = !find("show-uncertainty").checked;
}

async function download() {
  calm();
  say("Painting at full size…", true);
  try {
    const blob = await withPhotograph((token) => api.picture(token, "full", state.look));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = state.photograph.download_name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`Saved as ${link.download}`);
  } catch (error) {
    complain(error, download);
  }
}

function later(work, delay = 250) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, delay);
  };
}

function listen() {
  const on = (id, event, work) => find(id).addEventListener(event, work);
  const chosen = (id, work) => on(id, "change", (event) => {
    work(event.target.files[0]);
    event.target.value = "";
  });
  ["open", "choose"].forEach((id) => on(id, "click", () => find("file").click()));
  chosen("file", openFile);
  chosen("reference-file", openReference);
  on("choose-reference", "click", () => find("reference-file").click());
  on("drop-reference", "click", () => change({ reference: "none" }));
  on("transfer", "change", () => change({ reference: find("transfer").value }));
  on("download", "click", download);
  on("dismiss", "click", calm);
  on("retry", "click", () => { calm(); state.retry(); });
  on("more", "click", () => {
    addVersions(state.numVersions + 1, state.numVersions + MORE_VERSIONS);
    state.numVersions += MORE_VERSIONS;
    showControls();
    refresh();
  });
  on("undo", "click", undo);
  on("clear", "click", () => changeHints([]));
  on("vivid", "change", () => change({ saturation: find("vivid").checked ? "vivid" : "predicted" }));
  const lean = later(() => change({
    lean_strength: Number(find("lean-strength").value), lean_angle: Number(find("lean-angle").value),
  }));
  ["lean-strength", "lean-angle"].forEach((id) => on(id, "input", lean));
  const fade = () => { find("overlay").style.opacity = find("opacity").value / 100; };
  on("opacity", "input", fade);
  fade();
  on("show-uncertainty", "change", () => { showControls(); refresh(); });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input:not([type=range]), select");
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isTyping) undo();
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (file) openFile(file);
  });
  listenToDrops();
  addEventListener("pagehide", () => { if (state.photograph) api.forget(state.photograph.token); });
}

function listenToDrops() {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const isReference = (event) => Boolean(event.target.closest?.("#reference-panel"));
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    document.body.toggleAttribute("data-dragging", !isReference(event));
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.removeAttribute("data-dragging");
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    document.body.removeAttribute("data-dragging");
    (isReference(event) ? openReference : openFile)(event.dataTransfer.files[0]);
  });
}

listen();
