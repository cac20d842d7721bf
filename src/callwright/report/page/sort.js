// Tables that are sorted by the button in a column's head: text from A, numbers from the greatest; once more turns it.
(() => {
  const text = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const key = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.k !== undefined ? cell.dataset.k : cell.textContent;
  };

  function sort(table, place, numbers, down) {
    const rows = [...table.tBodies[0].rows];
    const sign = down ? -1 : 1;
    rows.sort((a, b) => {
      const [left, right] = [key(a, place), key(b, place)];
      if (left === "" || right === "") return (left === "") - (right === "");
      return sign * (numbers ? Number(left) - Number(right) : text.compare(left, right));
    });
    table.tBodies[0].append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => {
      const numbers = head.classList.contains("number");
      const was = head.getAttribute("aria-sort");
      const down = was === "none" ? numbers : was === "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table, place, numbers, down);
    }));
  }
})();
