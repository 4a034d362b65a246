// Lesson 4's cost explorer without Python: the arithmetic of beyond.cost.formula and the texts of
// beyond.cost.explorer, which the executed lesson has left in the page.

const perMillion = 1_000_000;

/** Return the dollars of a way: a call's input and output, a call, what is fixed in a month. */
function costs(way) {
  const input = (way.input * way.price.input) / perMillion;
  const output = (way.output * way.price.output) / perMillion;
  const fixed = way.reserve + way.hosting + (way.training * way.trainings) / 12;
  return { input, output, call: input + output, fixed };
}

function breakEven(fixed, before, after) {
  return after >= before ? Infinity : fixed / (before - after);
}

/** Write dollars as beyond.cost.formula.dollars does: below one, three significant digits. */
function dollars(amount) {
  if (amount === 0 || amount >= 1) return "$" + grouped(amount, 2);
  const places = Math.min(Math.max(2, 2 - Math.floor(Math.log10(amount))), 100);
  const [whole, cents] = amount.toFixed(places).split(".");
  return `$${whole}.${cents.replace(/0+$/, "").padEnd(2, "0")}`;
}

function grouped(number, digits) {
  return number.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    roundingMode: "halfEven",
  });
}

const count = (number) => (Number.isFinite(number) ? grouped(number, 0) : "∞");

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "line", "polyline", "circle", "text"].includes(name);
  const made = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

class Explorer {
  constructor(box) {
    this.told = JSON.parse(box.querySelector("script").textContent);
    this.controls = {};
    this.numbers = box.querySelector(".cost-explorer-numbers");
    // Without this script, the lesson's own chart is shown.
    this.numbers.replaceChildren(this.numbers.querySelector("table"));
    this.chart = element("div");
    const calls = element("div", {}, this.control(this.told.controls[0]));
    const ways = element("div", { class: "ways" }, this.column("before"), this.column("after"));
    box.prepend(calls, ways, this.chart);
    this.update();
  }

  column(which) {
    const own = this.told.controls.filter(({ name }) => name.endsWith("_" + which));
    const legend = element("legend", {}, this.told.labels[which]);
    return element("fieldset", {}, legend, ...own.map((one) => this.control(one)));
  }

  control({ name, label, value, min, max, step, log, choices }) {
    const shown = element("output");
    let input;
    if (choices) {
      input = element("select");
      choices.forEach((one, i) => input.append(element("option", { value: i }, one.label)));
      input.value = value;
    } else {
      input = element("input", { type: "range", min, max, step });
      input.value = log ? Math.log10(value) : value;
    }
    // Until it is moved, a slider has its start, which may lie between two steps.
    let exact = value;
    const read = () => (choices ? choices[input.value] : exact);
    const show = () => {
      if (choices) return;
      shown.textContent = grouped(exact, 0);
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    input.addEventListener("input", () => {
      exact = log ? 10 ** Number(input.value) : Number(input.value);
      show();
      this.update();
    });
    show();
    this.controls[name] = read;
    return element("label", {}, label, choices ? "" : shown, input);
  }

  way(which) {
    const value = (name) => this.controls[`${name}_${which}`]?.() ?? 0;
    return {
      price: value("price"),
      input: value("input"),
      output: value("output"),
      hosting: value("hosting"),
      training: value("training"),
      trainings: value("trainings"),
      reserve: which === "after" ? this.told.reserve : 0,
    };
  }

  update() {
    const ways = [this.way("before"), this.way("after")];
    const [before, after] = ways.map(costs);
    const calls = this.controls.calls();
    const month = (cost) => calls * cost.call + cost.fixed;
    const crossing = breakEven(Math.max(after.fixed - before.fixed, 0), before.call, after.call);
    const once = breakEven(ways[1].training, month(before), month(after));
    const orNever = (number, digits) =>
      Number.isFinite(number) ? grouped(number, digits) : this.told.texts.never;
    const values = [
      [dollars(before.input), dollars(after.input)],
      [dollars(before.output), dollars(after.output)],
      [dollars(before.call), dollars(after.call)],
      [dollars(before.fixed), dollars(after.fixed)],
      [dollars(month(before)), dollars(month(after))],
      ["–", orNever(crossing, 0)],
      ["–", dollars(ways[1].training)],
      ["–", orNever(once, 1)],
    ];
    const rows = this.numbers.querySelectorAll("tbody tr");
    values.forEach((pair, i) => {
      rows[i].querySelectorAll("td").forEach((cell, j) => (cell.textContent = pair[j]));
    });
    const monthly = this.told.texts.month.replace(/\{calls[^}]*\}/, grouped(calls, 0));
    rows[4].querySelector("th").textContent = monthly;
    this.draw(before, after, calls, crossing);
  }

  draw(before, after, calls, crossing) {
    const { texts, labels } = this.told;
    const shown = [calls, crossing].filter((one) => Number.isFinite(one) && one > 0);
    let furthest = 1.6 * Math.max(...shown);
    if (Number.isFinite(crossing) && crossing > 20 * Math.max(calls, 1)) furthest = 2 * calls;
    const month = (cost, n) => n * cost.call + cost.fixed;
    const highest = 1.1 * Math.max(month(before, furthest), month(after, furthest), 0.01);
    const [left, top, width, height] = [85, 60, 590, 260];
    const x = (n) => left + (width * n) / furthest;
    const y = (amount) => top + height - (height * amount) / highest;
    const text = (content, at, down, anchor = "start") =>
      element("text", { x: at, y: down, "text-anchor": anchor }, content);
    const line = (cost, kind) =>
      element("polyline", {
        class: kind,
        points: `${x(0)},${y(cost.fixed)} ${x(furthest)},${y(month(cost, furthest))}`,
      });
    const drawn = element("svg", {
      viewBox: "0 0 700 380",
      role: "img",
      "aria-label": texts.alt
        .replace("{before}", labels.before)
        .replace("{after}", labels.after)
        .replace("{before_fixed}", dollars(before.fixed))
        .replace("{before_call}", dollars(before.call))
        .replace("{after_fixed}", dollars(after.fixed))
        .replace("{after_call}", dollars(after.call))
        .replace("{crossing}", count(crossing))
        .replace("{calls}", count(calls)),
    });
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const amount = highest * part;
      drawn.append(
        text("$" + grouped(amount, highest < 10 ? 2 : 0), left - 8, y(amount) + 5, "end"),
        text(grouped(furthest * part, 0), x(furthest * part), top + height + 20, part < 1 ? "middle" : "end"),
      );
    }
    const axis = (x1, y1, x2, y2) => element("line", { class: "axis", x1, y1, x2, y2 });
    drawn.append(
      axis(left, top, left, top + height),
      axis(left, top + height, left + width, top + height),
      element("line", { class: "today", x1: x(calls), x2: x(calls), y1: top, y2: top + height }),
      text(" " + texts.today, x(calls) + 5, top + height - 8),
      line(before, "before"),
      line(after, "after"),
      element("line", { class: "before", x1: left, x2: left + 40, y1: 14, y2: 14 }),
      text(labels.before, left + 50, 19),
      element("line", { class: "after", x1: left, x2: left + 40, y1: 36, y2: 36 }),
      text(labels.after, left + 50, 41),
      text(texts.calls, left + width, top + height + 48, "end"),
      text(texts.dollars, left + 8, top + 14),
    );
    if (crossing > 0 && crossing <= furthest) {
      const height = y(month(before, crossing));
      drawn.append(
        element("circle", { class: "crossing", cx: x(crossing), cy: height, r: 5 }),
        text("N* = " + grouped(crossing, 0), x(crossing) + 10, height + 20),
      );
    }
    this.chart.replaceChildren(drawn);
  }
}

for (const box of document.querySelectorAll(".cost-explorer")) new Explorer(box);
