"use strict";
// Columns sort by a click, or by Enter or Space on their heading; the tables of one section keep
// their rows in the same order. Numbers go by value, other cells by their letters, gaps last.
const NUMBER = /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?(?=$|[ ,])/i;

function value(cell) {
  const text = cell.textContent.trim();
  if (text === "\u2013" || text === "") return null;
  if (text === "\u221e") return Infinity;
  return NUMBER.test(text) ? parseFloat(text) : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b, "en", { numeric: true });
}

function sort(table, column, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  const rows = [...table.tBodies[0].rows].map((row) => [value(row.cells[column]), row.dataset.row]);
  const told = rows.filter(([x]) => x !== null).sort(([a], [b]) => compare(a, b) * (down ? -1 : 1));
  const order = [...told, ...rows.filter(([x]) => x === null)].map(([, key]) => key);
  for (const other of table.closest("section").querySelectorAll("table.sortable")) {
    const place = new Map([...other.tBodies[0].rows].map((row) => [row.dataset.row, row]));
    other.tBodies[0].append(...order.map((key) => place.get(key)));
    for (const one of other.tHead.rows[0].cells) one.removeAttribute("aria-sort");
  }
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, column, head));
  });
}

function open() {
  const aim = location.hash && document.getElementById(location.hash.slice(1));
  for (let at = aim; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (aim) aim.scrollIntoView();
}
addEventListener("hashchange", open);
open();
