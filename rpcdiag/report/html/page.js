"use strict";
// The page's only script. Text becomes nodes by textContent alone: nothing that is shown is ever read as HTML.
(() => {
  const PAGE = 50, WORDS = 60;
  const BAD = new Set(["refused", "unanswered", "prohibited", "reset", "idle-dropped", "stalled", "error", "drop", "reject", "violation"]);
  const FINE = new Set(["established", "pass", "compliant", "ok"]);
  const CAREFUL = new Set(["warning", "indeterminate"]);
  const data = JSON.parse(document.getElementById("data").textContent);
  const start = BigInt(data.start_ns);
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  function make(name, text, attributes) {
    const node = document.createElement(name);
    if (text !== undefined && text !== null) node.textContent = text;
    for (const key in attributes || {}) {
      if (attributes[key] !== undefined) node.setAttribute(key, attributes[key]);
    }
    return node;
  }

  // ---- colours: as the system has them, light, dark
  const theme = find("#theme");
  const kept = { get: () => { try { return localStorage.getItem("rpcdiag-theme"); } catch { return null; } },
                 set: (value) => { try { localStorage.setItem("rpcdiag-theme", value); } catch { /* nowhere to keep it */ } } };
  function colour(name) {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    find("span", theme).textContent = name;
    theme.setAttribute("aria-label", `Colours: ${name === "auto" ? "as the system has them" : name}`);
  }
  let now = ["auto", "light", "dark"].includes(kept.get()) ? kept.get() : "auto";
  colour(now);
  theme.addEventListener("click", () => {
    now = { auto: "light", light: "dark", dark: "auto" }[now];
    colour(now);
    kept.set(now);
  });

  // ---- copying, and what is said of it
  const tip = find("#tip");
  let fading = 0;
  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = make("textarea");
      area.value = text;
      area.setAttribute("readonly", "");
      area.className = "skip";
      document.body.append(area);
      area.select();
      let done = false;
      try { done = document.execCommand("copy"); } catch { /* not allowed either */ }
      area.remove();
      return done;
    }
  }
  function show(near, parts) {
    tip.replaceChildren(...parts);
    tip.hidden = false;
    const place = near.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    tip.style.left = "8px";
    const left = Math.max(8, Math.min(place.left, width - tip.offsetWidth - 8));
    tip.style.left = `${left + scrollX}px`;
    const below = place.bottom + 8 + tip.offsetHeight < innerHeight;
    tip.style.top = `${(below ? place.bottom + 8 : place.top - tip.offsetHeight - 8) + scrollY}px`;
    clearTimeout(fading);
    fading = setTimeout(() => { tip.hidden = true; }, 6000);
  }
  async function packet(button) {
    const filter = `frame.number == ${button.dataset.f}`;
    const where = data.captures.length > 1 ? ` in ${data.captures[button.dataset.c]}` : "";
    const done = await copied(filter);
    show(button, [make("span", `Wireshark display filter${where}`), make("code", filter), make("span", done ? "copied" : "copy it by hand")]);
  }
  async function copy(button) {
    const text = button.dataset.next !== undefined ? find("pre", button.closest(".command")).textContent : button.dataset.text;
    const done = await copied(text);
    const said = button.textContent;
    show(button, [make("span", done ? "Copied" : "Not allowed here: select the text and copy it by hand")]);
    if (done && said !== "copied") {
      button.textContent = "copied";
      setTimeout(() => { button.textContent = said; }, 1500);
    }
  }
  document.addEventListener("click", (event) => {
    const target = event.target.closest(".pk, .copy, .ln");
    if (!target) { if (!event.target.closest("#tip")) tip.hidden = true; return; }
    if (target.classList.contains("pk")) packet(target);
    else if (target.classList.contains("copy")) copy(target);
    else line(Number(target.dataset.log), Number(target.dataset.line));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
    const drawn = event.target.closest && event.target.closest("svg .pk");
    if (drawn && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); packet(drawn); }
  });

  // ---- cases
  const outer = () => all(".case > details");
  for (const [id, open] of [["#open-all", true], ["#close-all", false]]) {
    const button = find(id);
    if (button) button.addEventListener("click", () => outer().forEach((one) => { one.open = open; }));
  }
  all('a[href^="#case-"]').forEach((link) => link.addEventListener("click", () => {
    find("details", document.getElementById(link.hash.slice(1))).open = true;
  }));
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("main details:not([open])").filter((one) => !one.classList.contains("alternative"));
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));

  // ---- time
  function clock(us) {
    if (us === null) return "";
    const ns = start + BigInt(us) * 1000n;
    const date = new Date(Number(ns / 1000000n));
    return Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(11, 23);
  }

  // ---- tables: the rows are data; of them a page at a time becomes nodes
  const tables = data.tables.map((table, number) => new Table(table, number));
  const shades = [find("#shade-before"), find("#shade-after")];
  let window_ = null;

  function Table(table, number) {
    this.data = table;
    this.number = number;
    this.sort = -1;
    this.down = false;
    this.page = 0;
    this.query = "";
    this.chosen = new Map();
    this.here = null;
    this.texts = null;
    this.rows = table.rows;
    this.panel = make("div", null, { role: "tabpanel", id: `panel-${table.id}`, "aria-labelledby": `tab-${table.id}`, tabindex: "-1" });
  }
  Table.prototype.text = function (cell, kind) {
    if (cell === null || cell === undefined) return "";
    if (kind === "time") return clock(cell);
    if (kind === "packet") return cell.slice(1).join("–");
    if (kind === "line") return String(cell[1]);
    return String(cell);
  };
  Table.prototype.index = function () {
    // what a search looks through, made when it is first asked for
    if (!this.texts) {
      const kinds = this.data.columns.map((column) => column[1]);
      this.texts = new Map(this.data.rows.map((row) => [row, row.slice(2).map((cell, place) =>
        kinds[place] === "filter" ? "" : this.text(cell, kinds[place])).join("\u0001").toLowerCase()]));
    }
    return this.texts;
  };
  Table.prototype.value = function (row, place) {
    const cell = row[place + 2];
    return Array.isArray(cell) ? cell[0] * 1e12 + cell[1] : cell;
  };
  Table.prototype.select = function () {
    const needles = this.query.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = needles.length ? this.index() : null;
    const chosen = [...this.chosen].filter(([, word]) => word !== "");
    this.rows = this.data.rows.filter((row) => {
      if (window_ && row[0] !== null && (row[1] < window_[0] || row[0] > window_[1])) return false;
      for (const [place, word] of chosen) if (String(row[place + 2]) !== word) return false;
      if (texts) { const text = texts.get(row); for (const needle of needles) if (!text.includes(needle)) return false; }
      return true;
    });
    if (this.sort >= 0) {
      const place = this.sort, way = this.down ? -1 : 1;
      const natural = new Intl.Collator("en", { numeric: true });
      this.rows.sort((one, other) => {
        const a = this.value(one, place), b = this.value(other, place);
        if (a === b) return 0;
        if (a === null || a === "") return 1;
        if (b === null || b === "") return -1;
        return way * (typeof a === "number" && typeof b === "number" ? a - b : natural.compare(a, b));
      });
    }
    this.page = Math.min(this.page, Math.max(0, Math.ceil(this.rows.length / PAGE) - 1));
    this.draw();
  };
  Table.prototype.cell = function (cell, kind) {
    const node = make("td");
    if (kind === "packet") {
      if (cell) cell.slice(1).forEach((number, place) => {
        if (place && number === cell[place]) return;
        if (place) node.append("–");
        node.append(make("button", `#${number}`, { type: "button", class: "pk mono", "data-f": number, "data-c": cell[0], "aria-label": `packet ${number}: show and copy its display filter` }));
      });
      node.className = "few";
    } else if (kind === "filter") {
      if (cell) node.append(make("button", "copy filter", { type: "button", class: "small copy", "data-text": cell }));
      node.className = "few screen";
    } else {
      node.textContent = this.text(cell, kind);
      if (kind === "num" || kind === "line") node.className = "num";
      else if (kind === "mono" || kind === "time") node.className = "mono";
      else if (kind === "word") node.className = BAD.has(cell) ? "few bad" : FINE.has(cell) ? "few fine" : CAREFUL.has(cell) ? "few careful" : node.textContent.length < 26 ? "few" : "long";
      else if (node.textContent.length > 40) node.className = "long";
    }
    return node;
  };
  Table.prototype.draw = function () {
    const first = this.page * PAGE, shown = this.rows.slice(first, first + PAGE);
    const kinds = this.data.columns.map((column) => column[1]);
    this.body.replaceChildren(...shown.map((row) => {
      const node = make("tr");
      if (row === this.here) node.className = "here";
      for (let place = 0; place < kinds.length; place++) node.append(this.cell(row[place + 2], kinds[place]));
      return node;
    }));
    const total = this.data.rows.length;
    const part = this.rows.length > PAGE ? `rows ${first + 1} to ${first + shown.length} of ` : "";
    const of = this.rows.length === total ? `${total} rows` : `${this.rows.length} of ${total} rows`;
    const left = this.data.left ? `; ${this.data.left} more are not in this file` : "";
    this.count.textContent = `${part}${of}${window_ ? ", in the chosen time" : ""}${left}`;
    this.pages.hidden = this.rows.length <= PAGE;
    this.back.disabled = this.page === 0;
    this.next.disabled = first + PAGE >= this.rows.length;
    this.heads.forEach((head, place) => head.setAttribute("aria-sort", this.sort === place ? (this.down ? "descending" : "ascending") : "none"));
  };
  Table.prototype.build = function () {
    const tools = make("div", null, { class: "tools" });
    const search = make("label", "Search", { class: "search" });
    this.search = make("input", null, { type: "search", placeholder: "any word, address, port" });
    search.append(this.search);
    tools.append(search);
    this.search.addEventListener("input", () => { this.query = this.search.value; this.page = 0; this.select(); });
    this.selects = [];
    this.data.columns.forEach(([title, kind], place) => {
      if (kind !== "word") return;
      const counts = new Map();
      for (const row of this.data.rows) counts.set(String(row[place + 2]), (counts.get(String(row[place + 2])) || 0) + 1);
      if (counts.size < 2 || counts.size > WORDS) return;
      const label = make("label", title), select = make("select", null, { "aria-label": `only with ${title}` });
      select.append(make("option", "all", { value: "" }));
      [...counts].sort((one, other) => other[1] - one[1]).forEach(([word, count]) => {
        if (word) select.append(make("option", `${word} (${count})`, { value: word }));
      });
      select.addEventListener("change", () => { this.chosen.set(place, select.value); this.page = 0; this.select(); });
      label.append(select);
      tools.append(label);
      this.selects.push(select);
    });
    const clear = make("button", "clear", { type: "button" });
    clear.addEventListener("click", () => { this.clear(); this.select(); });
    tools.append(clear);
    this.count = make("p", "", { class: "count", role: "status" });
    const table = make("table"), head = make("thead"), row = make("tr");
    table.append(make("caption", `${this.data.title} (times in UTC)`));
    this.heads = this.data.columns.map(([title, kind], place) => {
      const cell = make("th", null, { scope: "col", "aria-sort": "none" });
      const button = make("button", title, { type: "button" });
      button.addEventListener("click", () => {
        if (this.sort !== place) { this.sort = place; this.down = false; }
        else if (!this.down) this.down = true;
        else { this.sort = -1; this.down = false; }
        this.select();
      });
      if (kind === "filter") { cell.textContent = title; cell.className = "screen"; } else cell.append(button);
      row.append(cell);
      return cell;
    });
    head.append(row);
    this.body = make("tbody");
    table.append(head, this.body);
    const scroll = make("div", null, { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${this.data.title}` });
    scroll.append(table);
    this.pages = make("div", null, { class: "pages" });
    this.back = make("button", "← before", { type: "button" });
    this.next = make("button", "next →", { type: "button" });
    for (const [button, step] of [[this.back, -1], [this.next, 1]]) {
      button.addEventListener("click", () => { this.page += step; this.draw(); scroll.scrollTop = 0; });
    }
    this.pages.append(this.back, this.next);
    this.panel.append(tools, this.count, scroll, this.pages);
    find("#panels").append(this.panel);
  };
  Table.prototype.clear = function () {
    this.query = this.search.value = "";
    this.chosen.clear();
    this.selects.forEach((select) => { select.value = ""; });
    this.page = 0;
    this.here = null;
  };

  // ---- tabs: one table at a time, arrows move between them
  const tabs = tables.map((table, number) => {
    const tab = make("button", `${table.data.title} (${table.data.rows.length + table.data.left})`, { type: "button", role: "tab", id: `tab-${table.data.id}`, "aria-controls": `panel-${table.data.id}` });
    tab.addEventListener("click", () => open(number));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const to = (number + step + tables.length) % tables.length;
      open(to);
      tabs[to].focus();
      event.preventDefault();
    });
    find("#tabs").append(tab);
    return tab;
  });
  let current = 0;
  function open(number) {
    current = number;
    tables.forEach((table, place) => {
      table.panel.hidden = place !== number;
      tabs[place].setAttribute("aria-selected", String(place === number));
      tabs[place].tabIndex = place === number ? 0 : -1;
    });
    if (!tables[number].body) tables[number].build();
    tables[number].select();
  }
  tables.forEach((table) => find("#panels").append(table.panel));
  open(0);

  function line(log, number) {
    const place = tables.findIndex((one) => one.data.id === "log");
    if (place < 0) return;
    const table = tables[place], at = table.data.columns.findIndex((column) => column[1] === "line") + 2;
    if (window_) { from.value = "0"; to.value = "1000"; brushed(); }
    open(place);
    table.clear();
    table.sort = -1;
    const row = table.data.rows.findIndex((one) => one[at][0] === log && one[at][1] === number);
    if (row >= 0) { table.here = table.data.rows[row]; table.page = Math.floor(row / PAGE); }
    table.select();
    const node = find("tr.here", table.panel) || table.panel;
    node.scrollIntoView({ block: "center" });
    table.panel.focus({ preventScroll: true });
  }

  // ---- the brush: two ends of a time, by drag or by slider; it filters every table
  const drawing = find("#timeline"), from = find("#brush-from"), to = find("#brush-to"), says = find("#brush-says");
  const hint = says ? says.textContent : "";
  function brushed() {
    const one = Math.min(from.valueAsNumber, to.valueAsNumber), other = Math.max(from.valueAsNumber, to.valueAsNumber);
    const whole = one <= 0 && other >= 1000;
    window_ = whole ? null : [data.span_us * one / 1000, data.span_us * other / 1000];
    const wide = drawing.viewBox.baseVal.width;
    shades[0].setAttribute("width", wide * one / 1000);
    shades[1].setAttribute("x", wide * other / 1000);
    shades[1].setAttribute("width", wide * (1000 - other) / 1000);
    says.textContent = whole ? hint : `Chosen: ${clock(Math.round(window_[0]))} to ${clock(Math.round(window_[1]))} UTC.`;
    for (const input of [from, to]) input.setAttribute("aria-valuetext", clock(Math.round(data.span_us * input.valueAsNumber / 1000)));
    tables[current].page = 0;
    tables[current].select();
  }
  if (drawing) {
    let began = null;
    const at = (event) => {
      const box = drawing.getBoundingClientRect();
      return Math.round(1000 * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    };
    drawing.addEventListener("pointerdown", (event) => { began = at(event); drawing.setPointerCapture(event.pointerId); event.preventDefault(); });
    drawing.addEventListener("pointermove", (event) => {
      if (began === null || Math.abs(at(event) - began) < 5) return;
      from.value = String(Math.min(began, at(event)));
      to.value = String(Math.max(began, at(event)));
      brushed();
    });
    for (const end of ["pointerup", "pointercancel"]) drawing.addEventListener(end, () => { began = null; });
    from.addEventListener("input", brushed);
    to.addEventListener("input", brushed);
    find("#brush-reset").addEventListener("click", () => { from.value = "0"; to.value = "1000"; brushed(); });
  }
})();
