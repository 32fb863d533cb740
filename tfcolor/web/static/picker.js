// The window in which the color of a hint is chosen.

const find = (id) => document.getElementById(id);
const MARGIN = 12;

export class Picker {
  constructor() {
    this.dialog = find("picker");
    this.settle = () => {};
    find("use-custom").addEventListener("click", () => this.close(find("custom").value));
    find("custom").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.close(find("custom").value);
    });
    find("remove-hint").addEventListener("click", () => this.close("remove"));
    find("close-picker").addEventListener("click", () => this.close(null));
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog && this.isOutside(event)) this.close(null);
    });
    this.dialog.addEventListener("close", () => this.settle(null));
  }

  // Returns "#rrggbb", "remove" or null. `colors` is a promise of likely ones.
  choose(colors, x, y, isThere) {
    find("remove-hint").hidden = !isThere;
    find("swatches").replaceChildren();
    find("picker-note").textContent = "Looking for likely colors…";
    this.dialog.showModal();
    this.moveTo(x, y);
    colors.then((likely) => {
      this.showColors(likely);
      this.moveTo(x, y);
    });
    return new Promise((resolve) => { this.settle = resolve; });
  }

  close(result) {
    const settle = this.settle;
    this.settle = () => {};
    this.dialog.close();
    settle(result);
  }

  isOutside({ clientX, clientY }) {
    const box = this.dialog.getBoundingClientRect();
    return clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom;
  }

  showColors(likely) {
    find("picker-note").textContent = likely.length
      ? "Likely here, the likeliest first" : "No suggestions: choose any color";
    const buttons = likely.map(({ rgb, share }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.style.backgroundColor = rgb;
      button.title = `${rgb}, ${Math.round(100 * share)} %`;
      button.setAttribute("aria-label", `${rgb}, likely to ${Math.round(100 * share)} percent`);
      button.addEventListener("click", () => this.close(rgb));
      return button;
    });
    find("swatches").replaceChildren(...buttons);
    buttons[0]?.focus();
  }

  moveTo(x, y) {
    const box = this.dialog.getBoundingClientRect();
    const left = x + MARGIN + box.width < innerWidth ? x + MARGIN : x - MARGIN - box.width;
    const top = Math.min(y - box.height / 3, innerHeight - box.height - MARGIN);
    this.dialog.style.left = `${Math.max(left, MARGIN)}px`;
    this.dialog.style.top = `${Math.max(top, MARGIN)}px`;
  }
}
