"use strict";
// To play with: a descent in two parameters, computed here from the numbers of a run. Above the line of stars is what is
// computed: surfaces, optimizers, theory; below it what is seen.

const each = (of) => [of(0), of(1)];

// --- what is gone down: the value and the gradient at a place [x, y]; those of surfaces are in SURFACES, made from the
// project's own formulas

// least + ½ (w - w*)ᵀ H (w - w*)
function quadratic({ hessian: [[a, b], [, c]], lowest, least }) {
  return {
    value([x, y]) {
      const [u, v] = [x - lowest[0], y - lowest[1]];
      return least + 0.5 * (a * u * u + 2 * b * u * v + c * v * v);
    },
    gradient([x, y]) {
      const [u, v] = [x - lowest[0], y - lowest[1]];
      return [a * u + b * v, b * u + c * v];
    },
  };
}

// --- optimizers: each takes its numbers and gives a step, from a place w and the gradient g there to the next place.
// They are those of torch.optim; t counts steps from 1, all state starts at 0

const OPTIMIZERS = {
  // w <- w - a g
  sgd({ lr }) {
    return (w, g) => each((i) => w[i] - lr * g[i]);
  },

  // v <- β v + g;  w <- w - a v
  momentum({ lr, momentum }) {
    let v = [0, 0];
    return (w, g) => {
      v = each((i) => momentum * v[i] + g[i]);
      return each((i) => w[i] - lr * v[i]);
    };
  },

  // v <- β v + g;  w <- w - a (g + β v)
  nesterov({ lr, momentum }) {
    let v = [0, 0];
    return (w, g) => {
      v = each((i) => momentum * v[i] + g[i]);
      return each((i) => w[i] - lr * (g[i] + momentum * v[i]));
    };
  },

  // s <- α s + (1 - α) g²;  v <- β v + g / (√s + ε);  w <- w - a v
  rmsprop({ lr, momentum, alpha, eps }) {
    let [s, v] = [[0, 0], [0, 0]];
    return (w, g) => {
      s = each((i) => alpha * s[i] + (1 - alpha) * g[i] * g[i]);
      v = each((i) => momentum * v[i] + g[i] / (Math.sqrt(s[i]) + eps));
      return each((i) => w[i] - lr * v[i]);
    };
  },

  // m <- β₁ m + (1 - β₁) g;  s <- β₂ s + (1 - β₂) g²;  w <- w - a/(1 - β₁ᵗ) m / (√(s/(1 - β₂ᵗ)) + ε)
  adam({ lr, momentum, beta2, eps }) {
    let [m, s, t] = [[0, 0], [0, 0], 0];
    return (w, g) => {
      t += 1;
      m = each((i) => momentum * m[i] + (1 - momentum) * g[i]);
      s = each((i) => beta2 * s[i] + (1 - beta2) * g[i] * g[i]);
      const [first, second] = [1 - momentum ** t, Math.sqrt(1 - beta2 ** t)];
      return each((i) => w[i] - (lr / first) * (m[i] / (Math.sqrt(s[i]) / second + eps)));
    };
  },
};

// Places and losses from the start on; a loss above `limit`, or none at all, has diverged and is the last.
function descend(surface, optimizer, numbers, start, steps, limit = Infinity) {
  const step = OPTIMIZERS[optimizer](numbers);
  const [places, losses] = [[start], [surface.value(start)]];
  while (places.length <= steps && losses.at(-1) <= limit) {
    const place = places.at(-1);
    places.push(step(place, surface.gradient(place)));
    losses.push(surface.value(places.at(-1)));
  }
  return { places, losses, diverged: !(losses.at(-1) <= limit) };
}

// --- theory: along an eigenvector of the Hessian a step of sgd, momentum or Nesterov's is a linear map of its own

const LINEAR = ["sgd", "momentum", "nesterov"];

// The map along eigenvalue λ has the roots of z² - t z + d: what a step leaves of the distance, and of what swings over
function roots(optimizer, { lr, momentum }, eigenvalue) {
  const [beta, kept] = [optimizer === "sgd" ? 0 : momentum, 1 - lr * eigenvalue];
  const [t, d] = optimizer === "nesterov" ? [(1 + beta) * kept, beta * kept] : [beta + kept, beta];
  const under = t * t - 4 * d;
  if (under < 0) return { radius: Math.sqrt(d), swing: Math.sqrt(d) };
  const [low, high] = [(t - Math.sqrt(under)) / 2, (t + Math.sqrt(under)) / 2];
  return { radius: Math.max(Math.abs(low), Math.abs(high)), swing: Math.max(0, -low) };
}

// Of all eigenvalues the slowest: what a step leaves in the end
const slowest = (optimizer, numbers, eigenvalues) =>
  Math.max(...eigenvalues.map((one) => roots(optimizer, numbers, one).radius));

// 2 (1 + β)/λmax (Polyak 1964), and 2 (1 + β)/((1 + 2β) λmax) of Nesterov's: there a root along λmax is -1
function criticalRate(optimizer, { momentum }, eigenvalues) {
  const beta = optimizer === "sgd" ? 0 : momentum;
  return (2 * (1 + beta)) / ((optimizer === "nesterov" ? 1 + 2 * beta : 1) * Math.max(...eigenvalues));
}

// 2 (1 + β)/(λmin + λmax), where the slowest along both are alike; of Nesterov's a search, for the rate has one valley
function bestRate(optimizer, numbers, eigenvalues) {
  const beta = optimizer === "sgd" ? 0 : numbers.momentum;
  if (optimizer !== "nesterov") return (2 * (1 + beta)) / (Math.min(...eigenvalues) + Math.max(...eigenvalues));
  const at = (exponent) => slowest(optimizer, { ...numbers, lr: Math.exp(exponent) }, eigenvalues);
  let high = Math.log(criticalRate(optimizer, numbers, eigenvalues));
  let low = high - 30;
  for (let turn = 0; turn < 120; turn++) {
    const [left, right] = [low + (high - low) / 3, high - (high - low) / 3];
    if (at(left) > at(right)) low = left;
    else high = right;
  }
  return Math.exp((low + high) / 2);
}

const distance = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);

function nearestMinimum(play, place) {
  const far = (minimum) => (Number.isFinite(place[0] + place[1]) ? distance(minimum.at, place) : 0);
  return play.minima.reduce((best, one) => (far(one) < far(best) ? one : best));
}

// Three digits, large counts with commas
const said = (value) =>
  value >= 1000 && value < 1e6 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
const share = (value) => (value < 0.001 ? "less than 0.1\u00a0%" : said(100 * value) + "\u00a0%");

// One word (diverges, rings, crawls, converges), and the sentence that says why
function verdict(play, optimizer, numbers, path) {
  const linear = LINEAR.includes(optimizer);
  const { eigenvalues } = nearestMinimum(play, path.places.at(-1));
  const critical = linear ? criticalRate(optimizer, numbers, eigenvalues) : Infinity;
  return play.constant && linear
    ? foreseen(optimizer, numbers, eigenvalues, critical, path.places.length - 1)
    : seen(play, optimizer, numbers, critical, path);
}

function foreseen(optimizer, numbers, eigenvalues, critical, steps) {
  if (numbers.lr > critical) {
    const { radius } = roots(optimizer, numbers, Math.max(...eigenvalues));
    return ["diverges", `${said(numbers.lr)} is above the critical rate ${said(critical)}: along the steepest axis every step makes the distance ${said(radius)} times as large.`];
  }
  const radius = slowest(optimizer, numbers, eigenvalues);
  const swing = Math.max(...eigenvalues.map((one) => roots(optimizer, numbers, one).swing));
  const needed = radius < 1 - 1e-12 ? Math.ceil(Math.log(0.01) / Math.log(radius)) : Infinity;
  const about = Number.isFinite(needed) ? `1\u00a0% of the distance is left after about ${said(needed)} steps` : "it never comes near";
  if (swing >= 0.5) return ["rings", `it swings over the floor of the valley and keeps ${share(swing)} of a swing with every step; ${about}.`];
  const kept = `the slowest axis keeps ${share(radius)} of the distance with every step; ${about}`;
  return needed > steps ? ["crawls", `${kept}, more than are taken.`] : ["converges", `${kept}.`];
}

function seen(play, optimizer, numbers, critical, { places, losses, diverged }) {
  const minimum = nearestMinimum(play, places.at(-1));
  const steps = places.length - 1;
  const what = LINEAR.includes(optimizer)
    ? numbers.lr > critical ? ` Theory: at a rate above ${said(critical)} it cannot stay at this minimum.` : ""
    : ` Theory has no critical rate of ${optimizer}; this is what is seen.`;
  if (diverged) return ["diverges", `the loss is out of all bounds after ${said(steps)} steps.${what}`];
  const left = distance(places.at(-1), minimum.at) / (distance(places[0], minimum.at) || 1);
  // how often the loss rises once it is half-way, but for what is rounding
  const above = losses.map((loss) => loss - play.least).filter((loss, _, all) => loss > 1e-12 * all[0]);
  const rest = above.slice(above.length >> 1);
  const rises = rest.filter((loss, index) => index && loss > rest[index - 1]).length / Math.max(1, rest.length - 1);
  const word = rises > 0.25 ? "rings" : left <= 0.01 ? "converges" : "crawls";
  return [word, `after ${said(steps)} steps ${share(left)} of the distance to the nearest minimum is left.${what}`];
}

// *********************************************************************************************************************

(() => {
  const plays = JSON.parse(document.getElementById("plays").textContent);
  const night = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const [LEFT, BOTTOM, TOP, RIGHT] = [52, 40, 10, 20]; // around the axes, in pixels

  // A canvas as large as it is seen, in pixels of the page
  function prepared(canvas, width, height) {
    const scale = devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    Object.assign(canvas.style, { width: width + "px", height: height + "px" });
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "12px system-ui, sans-serif";
    return pen;
  }

  // Round numbers from low to high
  function ticks(low, high, most) {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((one) => one * power >= rough);
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12)));
  }

  // Axes with their ticks, each [value, text], and labels; `at` gives pixels
  function axes(pen, width, height, at, across, upwards, labels) {
    const [right, bottom] = [width - RIGHT, height - BOTTOM];
    pen.strokeStyle = colour("faint");
    pen.fillStyle = colour("faint");
    pen.lineWidth = 1;
    pen.strokeRect(LEFT, TOP, right - LEFT, bottom - TOP);
    pen.textAlign = "center";
    for (const [value, text] of across) {
      const x = at.x(value);
      pen.fillRect(x, bottom, 1, 4);
      pen.fillText(text, x, bottom + 16);
    }
    pen.fillText(labels[0], (LEFT + right) / 2, height - 6);
    pen.textAlign = "right";
    for (const [value, text] of upwards) {
      const y = at.y(value);
      pen.fillRect(LEFT - 4, y, 4, 1);
      pen.fillText(text, LEFT - 7, y + 4);
    }
    pen.save();
    pen.translate(12, (TOP + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(labels[1], 0, 0);
    pen.restore();
  }

  function section(element) {
    const play = plays[element.dataset.name];
    const surface = play.quadratic ? quadratic(play.quadratic) : SURFACES[play.surface];
    const find = (selector) => element.querySelector(selector);
    const [rate, momentum, steps] = ["lr", "momentum", "steps"].map((name) => find(`input[name=${name}]`));
    const radios = [...element.querySelectorAll("input[type=radio]")];
    const [ground, over, losses, handle] = [".ground", ".over", ".losses", ".handle"].map(find);
    let view = null;
    let [optimizer, numbers, count, start] = ["sgd", {}, play.steps, play.start]; // a slider stands near them

    // --- the landscape, drawn once for each size and colour scheme

    function look() {
      const box = find(".map").clientWidth;
      const [[x0, x1], [y0, y1]] = play.window;
      const width = box - LEFT - RIGHT;
      const tall = clamp((width * (y1 - y0)) / (x1 - x0), 0.45 * width, 520);
      const scale = Math.max((x1 - x0) / width, (y1 - y0) / tall); // the same along both axes
      const [left, top] = [(x0 + x1 - scale * width) / 2, (y0 + y1 + scale * tall) / 2];
      view = {
        width: box,
        height: tall + TOP + BOTTOM,
        x: (value) => LEFT + (value - left) / scale,
        y: (value) => TOP + (top - value) / scale,
        place: (x, y) => [left + scale * clamp(x - LEFT, 0, width), top - scale * clamp(y - TOP, 0, tall)],
        ends: [[left, left + scale * width], [top - scale * tall, top]],
      };
      const pen = prepared(ground, view.width, view.height);
      paint(pen, width, tall);
      const most = clamp(Math.round(width / 90), 2, 8);
      const [across, upwards] = view.ends.map(([low, high]) => ticks(low, high, most).map((one) => [one, written(one)]));
      axes(pen, view.width, view.height, view, across, upwards, play.labels);
      for (const { at } of play.minima) star(pen, view.x(at[0]), view.y(at[1]));
      for (const at of play.saddles) cross(pen, view.x(at[0]), view.y(at[1]));
    }

    const written = (value) => (Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? value.toExponential() : String(value)).replace("-", "−");

    // Bands between the levels, and a line where one begins
    function paint(pen, width, height) {
      const scale = devicePixelRatio || 1;
      const [columns, rows] = [Math.round(width * scale), Math.round(height * scale)];
      const image = pen.createImageData(columns, rows);
      const colours = play.terrain[night.matches ? "dark" : "light"].map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
      const edge = night.matches ? 124 : 154;
      const bands = new Int16Array(columns * rows);
      const last = Math.max(1, play.levels.length - 1);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const height = surface.value(view.place(LEFT + column / scale, TOP + row / scale));
          const at = row * columns + column;
          let [low, high] = [0, play.levels.length];
          while (low < high) {
            const middle = (low + high) >> 1;
            if (play.levels[middle] <= height) low = middle + 1;
            else high = middle;
          }
          const band = (bands[at] = low);
          const [one, other] = [Math.floor, Math.ceil].map((round) => colours[round((clamp(band - 0.5, 0, last) / last) * (colours.length - 1))]);
          const between = ((clamp(band - 0.5, 0, last) / last) * (colours.length - 1)) % 1;
          const line = (column && bands[at - 1] !== band) || (row && bands[at - columns] !== band) ? 0.55 : 0;
          for (let k = 0; k < 3; k++) {
            const flat = one[k] + (other[k] - one[k]) * between;
            image.data[4 * at + k] = flat + line * (edge - flat);
          }
          image.data[4 * at + 3] = 255;
        }
      }
      pen.putImageData(image, Math.round(LEFT * scale), Math.round(TOP * scale));
    }

    function star(pen, x, y) {
      pen.fillStyle = colour("ink");
      pen.beginPath();
      for (let k = 0; k < 10; k++) {
        const [angle, far] = [(k * Math.PI) / 5 - Math.PI / 2, k % 2 ? 3 : 7];
        pen.lineTo(x + far * Math.cos(angle), y + far * Math.sin(angle));
      }
      pen.fill();
    }

    function cross(pen, x, y) {
      pen.strokeStyle = colour("ink");
      pen.lineWidth = 2;
      pen.beginPath();
      for (const side of [-1, 1]) {
        pen.moveTo(x - 4, y - 4 * side);
        pen.lineTo(x + 4, y + 4 * side);
      }
      pen.stroke();
    }

    // --- the path over it, and the loss

    function drawPath(path) {
      const pen = prepared(over, view.width, view.height);
      pen.beginPath();
      pen.rect(LEFT, TOP, view.width - LEFT - RIGHT, view.height - TOP - BOTTOM);
      pen.clip();
      // far outside a canvas draws nothing at all, or wraps around
      const shown = ([x, y]) => [clamp(view.x(x), -1e5, 1e5), clamp(view.y(y), -1e5, 1e5)];
      const points = path.places.filter((place) => place.every(Number.isFinite)).map(shown);
      pen.strokeStyle = pen.fillStyle = colour("path");
      pen.lineWidth = 2;
      pen.lineJoin = "round";
      pen.beginPath();
      for (const point of points) pen.lineTo(...point);
      pen.stroke();
      for (const [x, y] of apart(points)) {
        pen.beginPath();
        pen.arc(x, y, 2.5, 0, 2 * Math.PI);
        pen.fill();
      }
      const [x, y] = points.at(-1);
      pen.beginPath();
      pen.arc(x, y, 6, 0, 2 * Math.PI);
      pen.fill();
      pen.strokeStyle = colour("paper");
      pen.stroke();
      pen.fillStyle = colour("ink");
      for (const [x, y] of apart(play.recorded.map(shown))) pen.fillRect(x - 1, y - 1, 2, 2);
      handle.style.left = view.x(start[0]) + "px";
      handle.style.top = view.y(start[1]) + "px";
      handle.setAttribute("aria-label", `start: ${play.labels[0]} ${written(Number(start[0].toPrecision(3)))}, ${play.labels[1]} ${written(Number(start[1].toPrecision(3)))}; arrow keys move it`);
    }

    // Those that can be told from the one before them
    function apart(points) {
      let last = [-1e6, -1e6];
      return points.filter((point) => distance(point, last) > 6 && (last = point));
    }

    function drawLosses(path) {
      const last = path.diverged ? Math.max(10, path.losses.length - 1) : count;
      const width = find(".curve").clientWidth;
      const height = width < view.width ? view.height : 300; // beside the map, or below it
      const pen = prepared(losses, width, height);
      const heights = path.losses.map((loss) => loss - play.least);
      const first = heights[0] > 0 ? heights[0] : 1;
      const finite = heights.filter((one) => one > 0 && one < 1e300);
      const top = Math.ceil(Math.log10(clamp(Math.max(first, ...finite), first, 1e6 * first)) + 0.05);
      const bottom = Math.floor(Math.log10(clamp(Math.min(first, ...finite), 1e-14 * first, first)) - 0.05);
      const at = {
        x: (step) => LEFT + (step / last) * (width - LEFT - RIGHT),
        y: (power) => TOP + ((top - power) / (top - bottom)) * (height - TOP - BOTTOM),
      };
      const across = ticks(0, last, width > 400 ? 6 : 4).map((one) => [one, one.toLocaleString("en")]);
      const upwards = ticks(bottom, top, Math.min(8, top - bottom)).filter(Number.isInteger).map((one) => [one, power(one)]);
      axes(pen, width, height, at, across, upwards, ["step", play.height]);
      pen.beginPath();
      pen.rect(LEFT, TOP, width - LEFT - RIGHT, height - TOP - BOTTOM);
      pen.clip();
      pen.strokeStyle = colour("path");
      pen.lineWidth = 2;
      pen.beginPath();
      heights.forEach((one, step) => pen.lineTo(at.x(step), at.y(one > 0 ? Math.log10(Math.min(one, 1e300)) : bottom - 1)));
      pen.stroke();
    }

    const power = (exponent) => "10" + String(exponent).replace(/[-\d]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);

    // --- ticks of theory at the slider of the learning rate

    function mark(path) {
      const linear = LINEAR.includes(optimizer);
      const { eigenvalues } = nearestMinimum(play, path.places.at(-1));
      for (const [name, of] of [["best", bestRate], ["critical", criticalRate]]) {
        const [tick, button] = [find(`.tick.${name}`), find(`button.${name}`)];
        tick.hidden = button.hidden = !linear;
        if (!linear) continue;
        const value = of(optimizer, numbers, eigenvalues);
        const share = clamp((Math.log10(value) - rate.min) / (rate.max - rate.min), 0, 1);
        tick.style.left = `calc(8px + ${share} * (100% - 16px))`;
        button.textContent = `${name} ${said(value)}`;
        button.dataset.rate = value;
      }
      find(".unknown").hidden = linear;
    }

    // --- all of it follows from the knobs

    function follow() {
      const limit = 1e8 * Math.max(surface.value(start), play.spread); // as a run of the project has diverged
      const path = descend(surface, optimizer, numbers, start, count, limit);
      const plain = optimizer === "sgd";
      const told = { lr: said(numbers.lr), momentum: plain ? "none" : String(numbers.momentum), steps: said(count) };
      const values = { lr: Math.log10(numbers.lr), momentum: plain ? 0 : numbers.momentum, steps: Math.log10(count) };
      for (const input of [rate, momentum, steps]) {
        input.value = values[input.name];
        find(`output[data-of=${input.name}]`).textContent = told[input.name];
        input.setAttribute("aria-valuetext", told[input.name]);
      }
      momentum.disabled = plain;
      for (const one of radios) one.checked = one.value === optimizer;
      mark(path);
      drawPath(path);
      drawLosses(path);
      const [word, why] = verdict(play, optimizer, numbers, path);
      find(".word").textContent = word;
      find(".word").dataset.word = word;
      find(".why").textContent = why;
    }

    function reset() {
      [optimizer, count, start] = [play.chosen.optimizer, play.steps, play.start];
      const { eigenvalues } = nearestMinimum(play, start);
      numbers = { ...play.optimizers[optimizer], ...play.chosen.numbers };
      if (!play.chosen.numbers.lr) numbers.lr = bestRate(optimizer, numbers, eigenvalues);
      follow();
    }

    // the ends of the slider: rates from far too small to too large for theory, and those that adaptive steps need
    const rates = play.minima.map(({ eigenvalues }) => criticalRate("sgd", { momentum: 0 }, eigenvalues));
    rate.min = Math.floor(Math.log10(Math.min(...rates))) - 3;
    rate.max = Math.ceil(Math.max(Math.log10(10 * Math.max(...rates)), 0.5));
    const change = (input, set) =>
      input.addEventListener("input", () => {
        set(Number(input.value));
        follow();
      });
    change(rate, (value) => (numbers.lr = 10 ** value));
    change(momentum, (value) => (numbers.momentum = value));
    change(steps, (value) => (count = Math.round(10 ** value)));
    for (const one of radios) {
      one.addEventListener("change", () => {
        optimizer = one.value;
        numbers = { ...play.optimizers[optimizer], lr: numbers.lr };
        follow();
      });
    }
    for (const button of element.querySelectorAll(".rates button")) {
      button.addEventListener("click", () => {
        numbers.lr = Number(button.dataset.rate);
        follow();
      });
    }
    find(".reset").addEventListener("click", reset);

    function moveTo(event) {
      const box = over.getBoundingClientRect();
      start = view.place(event.clientX - box.left, event.clientY - box.top);
      follow();
    }
    over.addEventListener("click", moveTo);
    handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", (event) => handle.hasPointerCapture(event.pointerId) && moveTo(event));
    handle.addEventListener("keydown", (event) => {
      const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
      if (!x && !y) return;
      event.preventDefault();
      const far = event.shiftKey ? 0.1 : 0.01;
      start = each((i) => clamp(start[i] + [x, y][i] * far * (view.ends[i][1] - view.ends[i][0]), ...view.ends[i]));
      follow();
    });

    const redraw = () => {
      look();
      follow();
    };
    look();
    reset();
    night.addEventListener("change", redraw);
    new ResizeObserver(() => find(".map").clientWidth !== view.width && redraw()).observe(element);
  }

  for (const element of document.querySelectorAll("section.play")) section(element);
})();
