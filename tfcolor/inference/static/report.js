// The report's page: the grid of photographs, and which one is open.

const PREFIX = "#photo=";
const BATCH = 120; // cards that are added at once when the end of the grid is near
const entries = JSON.parse(find("entries-data").textContent);
const settings = JSON.parse(find("settings-data").textContent);
const byName = new Intl.Collator("en", { numeric: true }).compare;
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const state = { shown: entries, numCards: 0, open: null };
const viewer = new Viewer(step, closed);

// ---- cards -----------------------------------------------------------------

const loader = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    const entry = entries[target.dataset.index];
    if (isIntersecting) showThumbnail(entry);
    else hideThumbnail(entry);
  }
}, { rootMargin: "800px 0px" });

const end = new IntersectionObserver(([{ isIntersecting }]) => {
  if (isIntersecting) showMore();
}, { rootMargin: "2000px 0px" });

const addresses = new Set();

// Two photographs may have one name.
function addressOf({ name }) {
  let address = PREFIX + encodeURIComponent(name.toWellFormed?.() ?? name);
  while (addresses.has(address)) address += "~";
  addresses.add(address);
  return address;
}

function makeCard(entry) {
  const card = find("card").content.firstElementChild.cloneNode(true);
  const link = card.querySelector("a");
  card.dataset.index = entry.index;
  link.href = entry.address;
  const [folder, name] = splitName(entry);
  link.title = entry.name;
  card.querySelector(".folder").textContent = folder;
  card.querySelector(".file").textContent = name;
  card.querySelector(".note").textContent = captionOf(entry);
  card.toggleAttribute("data-failed", Boolean(entry.error));
  card.toggleAttribute("data-layer", entry.isLayer);
  if (!entry.error) loader.observe(card);
  return card;
}

function captionOf(entry) {
  if (entry.error) return entry.error;
  const facts = [
    entry.doubt !== null && `doubt ${entry.doubt.toFixed(2)}`,
    entry.results.length > 1 && `${entry.results.length} versions`,
    entry.seconds !== null && describeTime(entry.seconds),
  ];
  return facts.filter(Boolean).join(" · ");
}

function showThumbnail(entry) {
  entry.isNear = true;
  const pictures = picturesOf(entry);
  if (!pictures && entry.pictures && document.readyState === "loading") return;
  const [under, over] = entry.card.querySelectorAll("img");
  over.src = pictures?.after[0] ? webp(pictures.after[0]) : entry.results[0] ?? entry.source;
  if (entry.isLayer) under.src = pictures ? webp(pictures.before) : entry.source;
}

function hideThumbnail(entry) {
  entry.isNear = false;
  entry.card.querySelectorAll("img").forEach((image) => image.removeAttribute("src"));
}

// ---- choice and order ------------------------------------------------------

const ORDERS = {
  name: (one, other) => byName(one.name, other.name),
  doubt: largestFirst("doubt"),
  deviation: largestFirst("deviation"),
  seconds: largestFirst("seconds"),
};

function largestFirst(key) {
  return (one, other) => (other[key] ?? -1) - (one[key] ?? -1) || byName(one.name, other.name);
}

function arrange() {
  const words = plain(find("search").value).split(/\s+/).filter(Boolean);
  const filter = find("filter").value;
  const isWanted = (entry) => (
    (filter === "all" || (filter === "failed") === Boolean(entry.error))
    && words.every((word) => entry.plainName.includes(word)));
  state.shown = entries.filter(isWanted).sort(ORDERS[find("sort").value]);
  find("grid").replaceChildren();
  state.numCards = 0;
  showMore();
  find("nothing").hidden = state.shown.length > 0;
  find("count").textContent = state.shown.length === entries.length
    ? "" : `${count(state.shown.length)} of ${count(entries.length)}`;
}

function showMore(upTo = state.numCards) {
  while (state.numCards <= upTo && state.numCards < state.shown.length) {
    const next = state.shown.slice(state.numCards, state.numCards + BATCH);
    for (const entry of next) entry.card ??= makeCard(entry);
    find("grid").append(...next.map(({ card }) => card));
    state.numCards += next.length;
  }
  // Observed anew, as the end may still be near.
  end.unobserve(find("more"));
  if (state.numCards < state.shown.length) end.observe(find("more"));
}

// ---- one photograph --------------------------------------------------------

// Opens what the address names, or closes what it no longer names.
function follow() {
  const entry = entries.find(({ address }) => address === location.hash);
  if (entry) open(entry);
  else if (find("viewer").open) find("viewer").close();
}

function open(entry) {
  state.open = entry;
  const place = state.shown.indexOf(entry);
  viewer.show(entry, place < 0 ? "" : `${count(place + 1)} of ${count(state.shown.length)}`);
  document.title = `${entry.name} – tfcolor report`;
}

function step(offset) {
  const next = state.shown[state.shown.indexOf(state.open) + offset];
  if (!next) return;
  history.replaceState(null, "", next.address);
  open(next);
}

function closed() {
  const entry = state.open;
  state.open = null;
  document.title = "tfcolor report";
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  showMore(state.shown.indexOf(entry));
  entry.card?.querySelector("a").focus({ preventScroll: true });
  entry.card?.scrollIntoView({ block: "nearest" });
}

// ---- words and keys --------------------------------------------------------

function tellTotals() {
  const colored = entries.filter(({ error }) => !error);
  const values = (key) => colored.map((entry) => entry[key]).filter((value) => value !== null);
  const [doubts, deviations] = [values("doubt"), values("deviation")];
  const failed = entries.length - colored.length;
  const texts = [
    `${count(colored.length)} ${colored.length === 1 ? "photograph" : "photographs"} colored`,
    failed && `${count(failed)} failed`,
    deviations.length && `lightness ${describeDeviation(Math.max(...deviations))}`,
    doubts.length && `mean doubt ${(doubts.reduce((sum, value) => sum + value, 0) / doubts.length).toFixed(2)}`,
  ];
  find("totals").textContent = texts.filter(Boolean).join(" · ");
  find("settings").hidden = Object.keys(settings).length === 0;
  showFacts(find("settings").querySelector("dl"), Object.entries(settings));
}

// Moves through the grid by arrows, as through its rows.
function moveFocus(event) {
  const current = event.target.closest("#grid li");
  const offsets = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
  if (!current || !(event.key in offsets)) return;
  const cards = [...find("grid").children];
  const rowLength = cards.findIndex((card) => card.offsetTop > cards[0].offsetTop);
  const isVertical = event.key === "ArrowUp" || event.key === "ArrowDown";
  const length = isVertical ? (rowLength < 0 ? cards.length : rowLength) : 1;
  const next = cards[cards.indexOf(current) + offsets[event.key] * length];
  event.preventDefault();
  next?.querySelector("a").focus();
}

function pressKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input[type=search], select");
  if (event.key === "?" && !isTyping) find("help").showModal();
  else if (event.key === "/" && !isTyping && !state.open) find("search").focus();
  else if (!state.open) { moveFocus(event); return; }
  else return;
  event.preventDefault();
}

function listen() {
  find("search").addEventListener("input", arrange);
  ["filter", "sort"].forEach((id) => find(id).addEventListener("change", arrange));
  document.querySelector("[data-help]").addEventListener("click", () => find("help").showModal());
  find("close-help").addEventListener("click", () => find("help").close());
  document.addEventListener("keydown", pressKey);
  addEventListener("hashchange", follow);
  // The pictures follow this script; what is in sight by then has waited for them.
  document.addEventListener("DOMContentLoaded", () => {
    entries.filter(({ isNear }) => isNear).forEach(showThumbnail);
    if (state.open) open(state.open);
  });
}

entries.forEach((entry, index) => {
  Object.assign(entry, { index, address: addressOf(entry), plainName: plain(entry.name) });
});
tellTotals();
arrange();
listen();
follow();
