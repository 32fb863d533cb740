// The photograph: slider, uncertainty on top, hints and the crosshair.

const find = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Stage {
  // `onPick(row, column, x, y)` is called where a hint is wanted, in pixels of the
  // photograph and of the window; `onMark(index, x, y)` where there is one.
  constructor(onPick, onMark, onMove) {
    this.size = { width: 1, height: 1 };
    this.cursor = { row: 0, column: 0 };
    this.onPick = onPick;
    this.onMark = onMark;
    this.onMove = onMove;
    this.slider = find("slider");
    this.marks = find("marks");
    this.slider.addEventListener("slide", () => this.tell());
    this.slider.addEventListener("keydown", (event) => this.slideByKey(event));
    this.slider.addEventListener("pointerdown", (event) => { this.pressed = event; });
    this.slider.addEventListener("click", (event) => this.pickByPointer(event));
    this.marks.addEventListener("keydown", (event) => this.pickByKey(event));
  }

  reset(width, height) {
    this.size = { width, height };
    this.cursor = { row: Math.floor(height / 2), column: Math.floor(width / 2) };
    find("stage").style.setProperty("--ratio", width / height);
    this.slideTo(50);
    this.moveCrosshair();
  }

  async show(id, blob) {
    const image = find(id);
    const old = image.src;
    image.src = URL.createObjectURL(blob);
    if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    await image.decode();
  }

  slideTo(value) {
    this.slider.value = clamp(value, 0, 100);
    this.tell();
  }

  tell() {
    const value = Math.round(this.slider.value);
    this.slider.setAttribute("aria-valuenow", value);
    this.slider.setAttribute("aria-valuetext", `${value} % gray, ${100 - value} % color`);
  }

  // Shows the color where a hint was placed under the gray side.
  reveal(column) {
    const place = (100 * column) / this.size.width;
    if (place < this.slider.value) this.slideTo(place - 15);
  }

  slideByKey(event) {
    const step = event.shiftKey ? 10 : 2;
    const value = Number(this.slider.value);
    const targets = {
      ArrowLeft: value - step, ArrowDown: value - step, ArrowRight: value + step,
      ArrowUp: value + step, PageDown: value - 10, PageUp: value + 10, Home: 0, End: 100,
    };
    if (!(event.key in targets)) return;
    event.preventDefault();
    this.slideTo(targets[event.key]);
  }

  pickByPointer(event) {
    const box = this.slider.getBoundingClientRect();
    const from = this.pressed ?? event;
    const grip = { x: box.left + (box.width * this.slider.value) / 100, y: box.top + box.height / 2 };
    const isOnGrip = Math.hypot(from.clientX - grip.x, from.clientY - grip.y) < 24;
    const isDrag = Math.hypot(from.clientX - event.clientX, from.clientY - event.clientY) > 6;
    if (isOnGrip || isDrag) return;
    this.cursor = {
      row: this.toPixel((event.clientY - box.top) / box.height, this.size.height),
      column: this.toPixel((event.clientX - box.left) / box.width, this.size.width),
    };
    this.moveCrosshair();
    this.onPick(this.cursor.row, this.cursor.column, event.clientX, event.clientY);
  }

  toPixel(share, size) {
    return clamp(Math.floor(share * size), 0, size - 1);
  }

  pickByKey(event) {
    if (event.target !== this.marks) return;
    const { width, height } = this.size;
    const step = Math.max(1, Math.round((event.shiftKey ? 0.05 : 0.01) * Math.max(width, height)));
    const steps = {
      ArrowLeft: [0, -step], ArrowRight: [0, step], ArrowUp: [-step, 0], ArrowDown: [step, 0],
    };
    if (event.key in steps) {
      const [down, right] = steps[event.key];
      this.cursor.row = clamp(this.cursor.row + down, 0, height - 1);
      this.cursor.column = clamp(this.cursor.column + right, 0, width - 1);
      this.moveCrosshair();
      this.onMove(this.cursor.row, this.cursor.column);
    } else if (event.key === "Enter" || event.key === " ") {
      const box = find("crosshair").getBoundingClientRect();
      this.onPick(this.cursor.row, this.cursor.column, box.left, box.top);
    } else {
      return;
    }
    event.preventDefault();
  }

  moveCrosshair() {
    this.place(find("crosshair"), this.cursor);
  }

  place(element, { row, column }) {
    element.style.left = `${(100 * (column + 0.5)) / this.size.width}%`;
    element.style.top = `${(100 * (row + 0.5)) / this.size.height}%`;
  }

  showMarks(hints) {
    this.marks.querySelectorAll(".mark").forEach((mark) => mark.remove());
    hints.forEach((hint, index) => {
      const mark = document.createElement("button");
      mark.type = "button";
      mark.className = "mark";
      mark.style.backgroundColor = hint.rgb;
      mark.setAttribute("aria-label", `Hint ${index + 1}, ${hint.rgb}: change or remove`);
      mark.addEventListener("click", () => {
        const box = mark.getBoundingClientRect();
        this.onMark(index, box.left + 11, box.top + 11);
      });
      this.place(mark, hint);
      this.marks.append(mark);
    });
  }
}
