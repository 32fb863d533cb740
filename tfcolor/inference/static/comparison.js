// A photograph before and after, one over the other, with a divider between them:
// drag it, zoom by wheel, pinch or double click, and pan what is zoomed.

"use strict";

const find = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const REACH = 26; // pixels from the divider that still take hold of it
const LARGEST = 8; // pixels of the window for one of the photograph

class Comparison {
  // `onZoom()` is called when the zoom has changed.
  constructor(onZoom) {
    this.onZoom = onZoom;
    this.stage = find("stage");
    this.layers = [find("before-layer"), find("after-layer")];
    this.pictures = ["before", "under", "after", "overlay"].map(find);
    this.split = find("split");
    this.size = { width: 4, height: 3 };
    this.view = { zoom: 1, x: 0, y: 0 };
    this.pointers = new Map();
    this.gesture = null;
    this.listen();
  }

  listen() {
    const on = (event, work) => this.stage.addEventListener(event, work);
    on("pointerdown", (event) => this.press(event));
    on("pointermove", (event) => this.drag(event));
    ["pointerup", "pointercancel"].forEach((name) => on(name, (event) => this.release(event)));
    on("wheel", (event) => {
      event.preventDefault();
      const speed = event.ctrlKey ? 0.01 : 0.0015;
      this.zoomBy(Math.exp(-event.deltaY * speed), this.locate(event));
    });
    on("dblclick", (event) => this.zoomTo(this.view.zoom > 1 ? 1 : this.nextZoom(), this.locate(event)));
    this.split.addEventListener("input", () => this.draw());
    new ResizeObserver(() => this.zoomTo(this.view.zoom)).observe(this.stage);
  }

  // Shows another photograph of so many pixels, whole.
  reset(width, height) {
    this.size = { width, height };
    this.stage.style.setProperty("--ratio", width / height);
    this.zoomTo(1);
  }

  // ---- geometry ------------------------------------------------------------

  // Of the photograph when all of it is shown, in pixels of the window.
  get fit() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const scale = Math.min(width / this.size.width, height / this.size.height) || 1;
    return { scale, width: this.size.width * scale, height: this.size.height * scale };
  }

  // Pixels of the window for one pixel of the photograph.
  get scale() {
    return this.fit.scale * this.view.zoom;
  }

  get maxZoom() {
    return Math.max(LARGEST / this.fit.scale, 4);
  }

  nextZoom() {
    const actual = 1 / this.fit.scale;
    return actual > 1.2 ? actual : 2.5;
  }

  // The part of the stage where there is picture.
  get visible() {
    const { zoom, x, y } = this.view;
    const { width, height } = this.fit;
    const [left, top] = [Math.max(x, 0), Math.max(y, 0)];
    return {
      left,
      top,
      width: Math.min(x + width * zoom, this.stage.clientWidth) - left,
      height: Math.min(y + height * zoom, this.stage.clientHeight) - top,
    };
  }

  locate(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  zoomBy(factor, point) {
    this.zoomTo(this.view.zoom * factor, point);
  }

  // What is at `point` of the stage stays there; without, what is in its middle.
  zoomTo(zoom, point = { x: this.stage.clientWidth / 2, y: this.stage.clientHeight / 2 }) {
    const old = this.view;
    const next = clamp(zoom, 1, this.maxZoom);
    this.moveTo({
      zoom: next,
      x: point.x - ((point.x - old.x) * next) / old.zoom,
      y: point.y - ((point.y - old.y) * next) / old.zoom,
    });
    if (next !== old.zoom) this.onZoom();
  }

  panBy(x, y) {
    this.moveTo({ ...this.view, x: this.view.x + x, y: this.view.y + y });
  }

  // The photograph is in the middle where it is smaller than the stage, and has no
  // gap to the border of the stage where it is larger.
  moveTo({ zoom, x, y }) {
    const place = (offset, size, room) => (
      size <= room ? (room - size) / 2 : clamp(offset, room - size, 0));
    const { width, height } = this.fit;
    this.view = {
      zoom,
      x: place(x, width * zoom, this.stage.clientWidth),
      y: place(y, height * zoom, this.stage.clientHeight),
    };
    this.draw();
  }

  draw() {
    const { zoom, x, y } = this.view;
    const { width, height } = this.fit;
    for (const picture of this.pictures) {
      picture.style.width = `${width}px`;
      picture.style.height = `${height}px`;
      picture.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
    }
    this.stage.toggleAttribute("data-pixels", this.scale > 3);
    this.stage.toggleAttribute("data-zoomed", zoom > 1);
    this.drawDivider();
  }

  drawDivider() {
    const share = Number(this.split.value);
    const { left, top, width, height } = this.visible;
    const place = left + (width * share) / 100;
    this.layers[0].style.clipPath = `inset(0 calc(100% - ${place}px) 0 0)`;
    this.layers[1].style.clipPath = `inset(0 0 0 ${place}px)`;
    find("divider").style.transform = `translate(${place}px, ${top}px)`;
    find("divider").style.height = `${height}px`;
    this.split.setAttribute("aria-valuetext",
      `${Math.round(share)} % before, ${Math.round(100 - share)} % after`);
  }

  slideTo(share) {
    this.split.value = clamp(share, 0, 100);
    this.drawDivider();
  }

  // All before, all after, half and half, in turn.
  flip() {
    const share = Number(this.split.value);
    this.slideTo(share === 100 ? 0 : share === 0 ? 50 : 100);
  }

  // ---- pointers ------------------------------------------------------------

  press(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    const point = this.locate(event);
    this.pointers.set(event.pointerId, point);
    if (this.pointers.size === 2) {
      this.gesture = { kind: "pinch", ...this.spread() };
      return;
    }
    const { left, width } = this.visible;
    const offset = point.x - left - (width * this.split.value) / 100;
    const isSlide = Math.abs(offset) < REACH || this.view.zoom === 1;
    this.gesture = isSlide
      ? { kind: "slide", from: point, grip: Math.abs(offset) < REACH ? offset : null }
      : { kind: "pan", from: point };
  }

  drag(event) {
    if (!this.pointers.has(event.pointerId) || !this.gesture) return;
    const point = this.locate(event);
    this.pointers.set(event.pointerId, point);
    const { gesture } = this;
    if (gesture.kind === "pinch") {
      const next = this.spread();
      this.panBy(next.x - gesture.x, next.y - gesture.y);
      this.zoomBy(next.distance / gesture.distance, next);
      Object.assign(gesture, next);
    } else if (gesture.kind === "pan") {
      this.panBy(point.x - gesture.from.x, point.y - gesture.from.y);
      gesture.from = point;
    } else if (gesture.grip !== null || Math.abs(point.x - gesture.from.x) > 3) {
      gesture.grip ??= 0; // from elsewhere, the divider comes to the pointer
      const { left, width } = this.visible;
      this.slideTo((100 * (point.x - gesture.grip - left)) / width);
    }
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    const [left] = this.pointers.values();
    this.gesture = left && this.view.zoom > 1 ? { kind: "pan", from: left } : null;
  }

  // Middle and distance of two fingers.
  spread() {
    const [one, other] = this.pointers.values();
    return {
      x: (one.x + other.x) / 2,
      y: (one.y + other.y) / 2,
      distance: Math.hypot(one.x - other.x, one.y - other.y) || 1,
    };
  }
}
