"use strict";

const EPSILON = 1e-5; // as in cssr/evaluation/metrics.py
const OUTCOMES = ["tn", "fp", "fn", "tp"]; // by 2 * truth + found
const [BLACK, WHITE] = [0, 255].map((gray) => [gray, gray, gray]);
const at = (id) => document.getElementById(id);
const chosen = (name) => Number(document.querySelector(`input[name=${name}]:checked`).value);

/* Table 1 */

function sortBy(heading) {
  const column = heading.cellIndex;
  const first = column === 0 ? "ascending" : "descending"; // of a metric: the best on top
  const other = { ascending: "descending", descending: "ascending" };
  const order = other[heading.getAttribute("aria-sort")] ?? first;
  const sign = order === "ascending" ? 1 : -1;
  const value = (row) => Number(row.cells[column].dataset.value ?? NaN);
  const compare = (one, two) =>
    isNaN(value(one)) - isNaN(value(two)) || sign * (value(one) - value(two)) || 0;
  const body = at("models").tBodies[0];
  body.append(...[...body.rows].sort(compare));
  for (const cell of heading.parentElement.cells) cell.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
}

for (const heading of at("models").tHead.rows[0].cells) {
  heading.firstElementChild.addEventListener("click", () => sortBy(heading));
}

/* Viewer */

const { models, images } = JSON.parse(at("data").textContent);
const slider = at("threshold");

/** An image that can be shown and drawn at once. */
async function load(source, alt) {
  const image = Object.assign(new Image(), { src: source, alt });
  await image.decode();
  return image;
}

/** The gray values of an image, one per pixel. */
function valuesOf(image) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, width, height).data.filter((_, index) => index % 4 === 0);
}

/** One test image as each model sees it. */
async function prepare({ name, lr, hr, mask, probs, sr }) {
  const truth = await load(mask, `Ground truth of ${name}`);
  const byModel = models.map(async ({ title }, index) => {
    const picture = await load(probs[index], `Crack probability of ${title}`);
    const enlarged = sr[index] && (await load(sr[index], `SR image of ${title}`));
    return { picture, values: valuesOf(picture), sr: enlarged };
  });
  return {
    lr: await load(lr, `LR image ${name}`),
    hr: await load(hr, `HR image ${name}`),
    truth,
    truthValues: valuesOf(truth),
    byModel: await Promise.all(byModel),
  };
}

/** Paint each outcome in its [red, green, blue]. */
function paint(canvas, outcomes, colours) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  outcomes.forEach((outcome, index) => pixels.data.set([...colours[outcome], 255], 4 * index));
  context.putImageData(pixels, 0, 0);
}

/** The colour of an outcome in the legend. */
function colourOf(outcome) {
  return getComputedStyle(at(`${outcome}-colour`)).backgroundColor.match(/\d+/g).map(Number);
}

/** Show what the threshold makes of the probabilities. */
function threshold({ truthValues, byModel }) {
  const percent = Math.round(100 * slider.value);
  const outcomes = byModel[chosen("model")].values.map(
    (value, index) => 2 * (truthValues[index] >= 128) + (100 * value >= 255 * percent),
  );
  paint(at("mask"), outcomes, [BLACK, WHITE, BLACK, WHITE]);
  paint(at("difference"), outcomes, OUTCOMES.map(colourOf));
  const counts = [0, 0, 0, 0];
  for (const outcome of outcomes) counts[outcome] += 1;
  OUTCOMES.forEach((id, outcome) => (at(id).textContent = counts[outcome].toLocaleString("en")));
  const [, fp, fn, tp] = counts;
  at("iou").textContent = ((tp + EPSILON) / (tp + fp + fn + EPSILON)).toFixed(3);
  at("at").textContent = at("limit").textContent = (percent / 100).toFixed(2);
}

/** Show the chosen image as the chosen model sees it. */
function show(image) {
  const model = models[chosen("model")];
  const { picture, sr } = image.byModel[chosen("model")];
  at("lr").replaceChildren(image.lr);
  at("hr").replaceChildren(image.hr);
  at("truth").replaceChildren(image.truth);
  at("probability").replaceChildren(picture);
  at("sr").replaceChildren(sr ?? model.no_sr);
  at("preferred").firstElementChild.textContent = model.threshold.toFixed(2);
  threshold(image);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  const choice = [...document.querySelectorAll("#viewer input[data-key]")].find(
    (input) => input.dataset.key === key,
  );
  if (choice) {
    if (document.activeElement.name === choice.name) choice.focus();
    choice.click();
  } else if (key === "v") at("preferred").click();
  else if ("+=-".includes(key)) {
    key === "-" ? slider.stepDown() : slider.stepUp();
    slider.dispatchEvent(new Event("input"));
  } else return;
  event.preventDefault();
}

async function start() {
  const prepared = await Promise.all(images.map(prepare));
  const shown = () => prepared[chosen("image")];
  const prefer = () => (slider.value = models[chosen("model")].threshold);
  slider.addEventListener("input", () => threshold(shown()));
  at("preferred").addEventListener("click", () => (prefer(), threshold(shown())));
  at("images").addEventListener("change", () => show(shown()));
  at("pipelines").addEventListener("change", () => (prefer(), show(shown())));
  at("viewer").addEventListener("keydown", onKey);
  prefer();
  show(shown());
}

start();
