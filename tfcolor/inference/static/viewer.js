// One photograph in a window of its own.

const MANY_PIXELS = 40e6; // more are read from their file only to be zoomed
const PAN_STEP = 80;
const LONG = 40; // letters that get lines of their own
const HEAT = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];

const webp = (text) => `data:image/webp;base64,${text}`;
const count = (number) => number.toLocaleString("en");

// The pictures of a photograph, which stand at the end of the file; null if it has
// none, or if they are not there yet.
function picturesOf(entry) {
  const element = entry.pictures && find(`p${entry.pictures}`);
  return element ? JSON.parse(element.textContent) : null;
}

// Returns [folder with its slash, name of the file].
function splitName({ name }) {
  const start = name.lastIndexOf("/") + 1;
  return [name.slice(0, start), name.slice(start)];
}

function describeSize({ width, height }) {
  return `${count(width)} × ${count(height)} (${((width * height) / 1e6).toFixed(1)} MP)`;
}

function describeDeviation(deviation) {
  return deviation === 0 ? "kept exactly" : `kept within ${deviation.toFixed(2)} steps`;
}

function describeTime(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Fills a description list; what has no value is left out.
function showFacts(list, facts) {
  const told = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  list.replaceChildren(...told.flatMap(([title, value]) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = title;
    text.textContent = value;
    [term, text].forEach((element) => element.classList.toggle("long", value.length > LONG));
    return [term, text];
  }));
}

class Viewer {
  // `onStep(offset)` asks for the next or previous photograph, `onClose()` says that
  // the window is closed.
  constructor(onStep, onClose) {
    this.onStep = onStep;
    this.dialog = find("viewer");
    this.entry = null;
    this.pictures = null;
    this.version = 0;
    this.comparison = new Comparison(() => this.tellZoom());
    this.dialog.addEventListener("close", onClose);
    this.dialog.addEventListener("keydown", (event) => this.pressKey(event));
    this.listen();
  }

  listen() {
    const click = (id, work) => find(id).addEventListener("click", work);
    click("previous", () => this.onStep(-1));
    click("next", () => this.onStep(1));
    click("close", () => this.dialog.close());
    click("zoom-in", () => this.comparison.zoomBy(1.5));
    click("zoom-out", () => this.comparison.zoomBy(1 / 1.5));
    click("zoom-level", () => this.comparison.zoomTo(1));
    find("show-overlay").addEventListener("change", () => this.showOverlay());
    find("gray").addEventListener("change", () => this.showGray());
    const fade = () => { find("overlay").style.opacity = find("opacity").value / 100; };
    find("opacity").addEventListener("input", fade);
    fade();
  }

  // ---- what is shown -------------------------------------------------------

  show(entry, place) {
    this.entry = entry;
    this.pictures = picturesOf(entry);
    this.version = 0;
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.dialog.focus();
    }
    const [folder, name] = splitName(entry);
    find("viewer-name").textContent = name;
    find("viewer-place").textContent = [place, folder].filter(Boolean).join(" · ");
    find("failure").textContent = entry.error;
    find("failure").hidden = !entry.error;
    find("stage").toggleAttribute("data-failed", Boolean(entry.error));
    find("stage").toggleAttribute("data-layer", entry.isLayer);
    find("view-panel").hidden = Boolean(entry.error);
    find("gray-row").hidden = !this.pictures?.hasColor;
    this.comparison.reset(this.pictures?.width ?? 4, this.pictures?.height ?? 3);
    this.showVersions();
    this.showPictures();
    this.showOverlay();
    this.showGray();
    this.tellZoom();
    this.tellFacts();
  }

  // The small pictures at once, then the files, where the browser can show them.
  showPictures() {
    const { entry, pictures, version } = this;
    this.fullOf = null;
    ["before", "under", "after"].forEach((id) => find(id).removeAttribute("src"));
    find("resolution").textContent = "";
    if (entry.error) return;
    this.put("before", pictures ? webp(pictures.before) : entry.source);
    this.put("after", pictures?.after[version] ? webp(pictures.after[version]) : entry.results[version]);
    if (!(pictures?.width * pictures?.height > MANY_PIXELS)) this.showFiles();
  }

  put(id, address) {
    if (!address) return;
    find(id).src = address;
    if (id === "before" && this.entry.isLayer) find("under").src = address;
  }

  async showFiles() {
    const { entry, version } = this;
    const wanted = `${version} ${entry.source}`;
    if (this.fullOf === wanted || entry.error) return;
    this.fullOf = wanted;
    const load = async (id, address) => {
      const file = new Image();
      file.src = address;
      try {
        await file.decode();
      } catch {
        return false;
      }
      if (this.fullOf !== wanted) return true;
      if (!this.pictures) this.comparison.reset(file.naturalWidth, file.naturalHeight);
      this.put(id, address);
      return true;
    };
    const loaded = await Promise.all([load("before", entry.source), load("after", entry.results[version])]);
    if (this.fullOf === wanted) this.tellResolution(loaded);
  }

  tellResolution([hasBefore, hasAfter]) {
    const side = Math.max(find("before").naturalWidth, find("before").naturalHeight);
    const missing = [hasBefore || "the original", hasAfter || "the result"].filter((name) => name !== true);
    find("resolution").textContent = missing.length
      ? `Shown smaller (${side} pixels): the browser cannot show ${missing.join(" and ")}, or a file was moved.`
      : "Shown at full resolution";
  }

  showVersions() {
    const after = this.pictures?.after ?? [];
    find("version-panel").hidden = this.entry.results.length < 2;
    find("versions").replaceChildren(...this.entry.results.map((_, version) => {
      const button = document.createElement("button");
      const image = document.createElement("img");
      const caption = document.createElement("span");
      caption.textContent = version + 1;
      image.alt = "";
      image.src = after[version] ? webp(after[version]) : this.entry.results[version];
      button.type = "button";
      button.className = "version";
      button.setAttribute("aria-label", `Version ${version + 1}`);
      button.setAttribute("aria-pressed", version === this.version);
      button.append(image, caption);
      button.addEventListener("click", () => this.choose(version));
      return button;
    }));
  }

  choose(version) {
    this.version = version;
    [...find("versions").children].forEach((button, other) => {
      button.setAttribute("aria-pressed", other === version);
    });
    this.showPictures();
    this.tellFiles();
  }

  showGray() {
    find("before-layer").toggleAttribute("data-gray", find("gray").checked && !find("gray-row").hidden);
  }

  // ---- uncertainty ---------------------------------------------------------

  async showOverlay() {
    const map = this.pictures?.uncertainty;
    const isShown = find("show-overlay").checked && Boolean(map);
    find("overlay-panel").hidden = !map;
    find("overlay-tools").hidden = find("overlay").hidden = !isShown;
    if (!isShown) return;
    const image = new Image();
    image.src = webp(map);
    await image.decode();
    if (this.pictures?.uncertainty === map) this.paintHeat(image);
  }

  paintHeat(image) {
    const canvas = find("overlay");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    const { data } = pixels;
    for (let start = 0; start < data.length; start += 4) {
      const place = (data[start] / 255) * (HEAT.length - 1);
      const low = Math.min(Math.floor(place), HEAT.length - 2);
      for (let channel = 0; channel < 3; channel += 1) {
        const [from, to] = [HEAT[low][channel], HEAT[low + 1][channel]];
        data[start + channel] = from + (to - from) * (place - low);
      }
    }
    context.putImageData(pixels, 0, 0);
  }

  // ---- words ---------------------------------------------------------------

  tellZoom() {
    find("zoom-level").textContent = `${Math.round(100 * this.comparison.scale)} %`;
    find("zoom-out").disabled = this.comparison.view.zoom <= 1;
    if (this.comparison.view.zoom > 1) this.showFiles();
  }

  tellFacts() {
    const { entry } = this;
    showFacts(find("facts"), [
      ["Size", this.pictures && describeSize(this.pictures)],
      ["Lightness", entry.deviation !== null && describeDeviation(entry.deviation)],
      ["Doubt", entry.doubt?.toFixed(2)],
      ["Time", entry.seconds !== null && describeTime(entry.seconds)],
      ...Object.entries(entry.details),
    ].filter(([, value]) => value !== false));
    find("facts-panel").hidden = !find("facts").hasChildNodes();
    this.tellFiles();
  }

  tellFiles() {
    const { entry, version } = this;
    const link = (text, address) => {
      const anchor = document.createElement("a");
      anchor.textContent = text;
      anchor.href = address;
      anchor.target = "_blank";
      anchor.rel = "noopener";
      return anchor;
    };
    const result = entry.results[version];
    find("links").replaceChildren(link("Original", entry.source), ...(result ? [link("Result", result)] : []));
  }

  // ---- keys ----------------------------------------------------------------

  pressKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const work = event.shiftKey && event.key.startsWith("Arrow") ? this.panFor(event.key) : this.workFor(event.key);
    const isRange = event.target.matches("input[type=range]");
    if (!work || (isRange && event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    work();
  }

  panFor(key) {
    const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const [x, y] = steps[key];
    return () => this.comparison.panBy(x * PAN_STEP, y * PAN_STEP);
  }

  workFor(key) {
    const tick = (id) => () => { if (!find(id).closest("[hidden]")) find(id).click(); };
    const { comparison } = this;
    const works = {
      ArrowLeft: () => this.onStep(-1), k: () => this.onStep(-1),
      ArrowRight: () => this.onStep(1), j: () => this.onStep(1),
      "+": () => comparison.zoomBy(1.5), "=": () => comparison.zoomBy(1.5),
      "-": () => comparison.zoomBy(1 / 1.5), "0": () => comparison.zoomTo(1),
      "1": () => comparison.zoomTo(1 / comparison.fit.scale),
      b: () => comparison.flip(), u: tick("show-overlay"), g: tick("gray"),
      v: () => this.choose((this.version + 1) % Math.max(this.entry.results.length, 1)),
    };
    return Object.hasOwn(works, key) ? works[key] : null;
  }
}
