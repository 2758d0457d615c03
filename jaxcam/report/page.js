"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// The gallery: cards of the chosen class and outcome are shown and counted.
for (const controls of all(".controls")) {
  const cards = all(".card"), list = document.querySelector(".cards");
  const select = controls.querySelector("select"), outcomes = all("button", controls);
  let outcome = "";
  const filter = () => {
    let shown = 0;
    for (const card of cards) {
      const fits = (!select.value || card.dataset.class === select.value) && (!outcome || card.dataset.outcome === outcome);
      card.hidden = !fits;
      shown += fits;
    }
    controls.querySelector("output").value = shown;
  };
  select.addEventListener("change", filter);
  for (const button of outcomes) {
    button.addEventListener("click", () => {
      outcome = button.dataset.outcome;
      for (const other of outcomes) other.setAttribute("aria-pressed", other === button);
      filter();
    });
  }
  for (const box of all("[data-box]", controls)) {
    const show = () => list.classList.toggle(`no-${box.dataset.box}`, !box.checked);
    box.addEventListener("change", show);
    show(); // a browser keeps what was chosen when a page is loaded again
  }
  const heat = controls.querySelector("[type=range]");
  const fade = () => list.style.setProperty("--heat", heat.value / 100);
  heat.addEventListener("input", fade);
  fade();
  filter();
}

// The classes: a heading sorts by its column, figures from the highest down; again, the other way round.
for (const table of all(".classes")) {
  const body = table.tBodies[0], headings = all("thead th", table);
  const text = (row, column) => row.cells[column].textContent;
  headings.forEach((heading, column) => {
    heading.addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      const up = before ? before === "descending" : column === 0;
      headings.forEach(other => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (a, b) => {
        if (column === 0) return text(a, 0).localeCompare(text(b, 0));
        return parseFloat(text(a, column)) - parseFloat(text(b, column));
      };
      const measured = row => column === 0 || !isNaN(parseFloat(text(row, column)));
      const rows = [...body.rows];
      const sorted = rows.filter(measured).sort((a, b) => up ? order(a, b) : order(b, a));
      body.append(...sorted, ...rows.filter(row => !measured(row))); // what was not measured comes last
    });
  });
}

// The curves: the legend says their values at the threshold under the pointer.
for (const chart of all(".chart > svg")) {
  const cursor = chart.querySelector(".cursor"), entries = all(".legend span");
  const curves = all("polyline", chart).map(line => [...line.points]);
  const best = entries.map(entry => entry.textContent);
  chart.addEventListener("pointermove", event => {
    const frame = chart.getBoundingClientRect(), x = (event.clientX - frame.left) / frame.width;
    cursor.setAttribute("visibility", "visible");
    curves.forEach((points, number) => {
      const near = points.reduce((a, b) => Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a);
      entries[number].textContent = `${near.y.toFixed(2)} % at ${+near.x.toFixed(4)}`;
      if (number === 0) for (const end of ["x1", "x2"]) cursor.setAttribute(end, `${100 * near.x}%`);
    });
  });
  chart.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    entries.forEach((entry, number) => { entry.textContent = best[number]; });
  });
}
