const data = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");

// Targets as tabs; without this script all stand below each other.

const tabs = [...document.querySelectorAll("#targets a")];
const panels = tabs.map((tab) => document.querySelector(tab.getAttribute("href")));

function select(index, focus) {
  tabs.forEach((tab, number) => {
    const current = number === index;
    tab.setAttribute("aria-selected", String(current));
    tab.tabIndex = current ? 0 : -1;
    panels[number].classList.toggle("current", current);
  });
  if (focus) {
    history.replaceState(null, "", `#${panels[index].id}`);
    tabs[index].focus();
  }
}

function selectByAddress() {
  const index = panels.findIndex((panel) => `#${panel.id}` === location.hash);
  select(Math.max(index, 0), false);
}

document.getElementById("targets").setAttribute("role", "tablist");
tabs.forEach((tab, index) => {
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", panels[index].id);
  panels[index].setAttribute("role", "tabpanel");
  tab.addEventListener("click", (event) => {
    event.preventDefault();
    select(index, true);
  });
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const end = { Home: 0, End: tabs.length - 1 }[event.key];
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    select(end ?? (index + step + tabs.length) % tabs.length, true);
  });
});
for (const link of document.querySelectorAll(".comparison a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    select(panels.findIndex((panel) => `#${panel.id}` === link.getAttribute("href")), true);
    document.getElementById("targets").scrollIntoView();
  });
}
addEventListener("hashchange", selectByAddress);
document.documentElement.classList.add("scripted");
selectByAddress();

// Tips: by pointer, and by arrow keys inside a chart.

function show(mark) {
  tip.textContent = mark.dataset.tip;
  tip.hidden = false;
  const box = mark.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const x = Math.min(Math.max(box.left + box.width / 2 - own.width / 2, 8), innerWidth - own.width - 8);
  const above = box.top - own.height - 8;
  // Above, else below, and inside the window for a mark that is taller than the window.
  const y = above >= 8 ? above : Math.min(box.bottom + 8, innerHeight - own.height - 8);
  tip.style.left = `${x}px`;
  tip.style.top = `${y}px`;
}

function hide() {
  tip.hidden = true;
}

for (const chart of document.querySelectorAll(".chart")) {
  const marks = [...chart.querySelectorAll(".mark")];
  marks.forEach((mark, index) => {
    mark.querySelector("title").remove();
    mark.setAttribute("tabindex", index === 0 ? "0" : "-1");
    mark.addEventListener("pointerenter", () => show(mark));
    mark.addEventListener("pointerleave", hide);
    mark.addEventListener("focus", () => show(mark));
    mark.addEventListener("blur", hide);
  });
  chart.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const visible = marks.filter((mark) => !mark.classList.contains("off"));
    const index = visible.indexOf(document.activeElement);
    if (step === undefined || index < 0) return;
    event.preventDefault();
    const next = visible[(index + step + visible.length) % visible.length];
    for (const mark of marks) mark.setAttribute("tabindex", mark === next ? "0" : "-1");
    next.focus();
  });
}
// Focus may scroll to a mark, whose tip then goes along.
addEventListener(
  "scroll",
  () => (document.activeElement?.matches(".mark") ? show(document.activeElement) : hide()),
  { passive: true },
);

// The plot of choices at other axes: every position is in the data.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function draw(figure, plot) {
  const [left, top, width, height] = plot.box;
  const [x, y] = [plot.axes[plot.x], plot.axes[plot.y]];
  const placeX = (share) => left + share * width;
  const placeY = (share) => top + (1 - share) * height;
  const part = (selector) => figure.querySelector(selector);
  const bottom = top + height;
  part(".ticks.x").replaceChildren(
    ...x.ticks.flatMap(([share, text]) => [
      element("line", { x1: placeX(share), x2: placeX(share), y1: top, y2: bottom }),
      element("text", { x: placeX(share), y: bottom + 17 }, text),
    ]),
  );
  part(".ticks.y").replaceChildren(
    ...y.ticks.flatMap(([share, text]) => [
      element("line", { x1: left, x2: left + width, y1: placeY(share), y2: placeY(share) }),
      element("text", { x: left - 8, y: placeY(share) + 4 }, text),
    ]),
  );
  part(".title.x").textContent = x.label;
  part(".title.y").textContent = y.label;
  part(".limit.x").setAttribute("d", x.limit === null ? "" : `M${placeX(x.limit)} ${top}v${height}`);
  part(".limit.y").setAttribute("d", y.limit === null ? "" : `M${left} ${placeY(y.limit)}h${width}`);
  const steps = plot.fronts[`${plot.x}|${plot.y}`].map((choice, number) => {
    const [atX, atY] = [placeX(x.positions[choice]), placeY(y.positions[choice])];
    return number === 0 ? `M${atX} ${atY}` : `H${atX}V${atY}`;
  });
  part(".front").setAttribute("d", steps.join(""));
  const points = figure.querySelectorAll(".points .mark");
  plot.order.forEach((choice, number) => {
    const [atX, atY] = [x.positions[choice], y.positions[choice]];
    points[number].classList.toggle("off", atX === null || atY === null);
    points[number].setAttribute("cx", placeX(atX ?? 0));
    points[number].setAttribute("cy", placeY(atY ?? 0));
  });
  part("svg").setAttribute("aria-label", `Choices: ${x.label} across, ${y.label} up; the table below has the figures`);
}

for (const choice of document.querySelectorAll("select[data-axis]")) {
  const plot = data[choice.dataset.plot];
  const figure = document.querySelector(`figure[data-plot="${choice.dataset.plot}"]`);
  choice.value = plot[choice.dataset.axis];
  choice.closest(".axes").hidden = false;
  choice.addEventListener("change", () => {
    plot[choice.dataset.axis] = choice.value;
    draw(figure, plot);
  });
}

// On paper every table is open.

const closed = [...document.querySelectorAll("details")];
let opened = [];
addEventListener("beforeprint", () => {
  opened = closed.filter((one) => !one.open);
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of opened) one.open = false;
});
