"use strict";
// Pointing at a viewer shows its exchanges: blue what it gives, green what it gets, amber what it fetches.
for (const map of document.querySelectorAll("svg.map")) {
  const told = map.parentElement.querySelector(".told");
  const lines = [...map.querySelectorAll("[data-b]")];
  const show = (node) => {
    const name = node?.dataset.n;
    map.classList.toggle("pointed", node !== null);
    for (const line of lines) {
      line.classList.toggle("gives", node !== null && line.dataset.a === name);
      line.classList.toggle("gets", node !== null && line.dataset.b === name);
    }
    map.querySelector(".chosen")?.classList.remove("chosen");
    node?.classList.add("chosen");
    told.textContent = node?.querySelector("title").textContent ?? "";
  };
  for (const event of ["pointerover", "click"]) map.addEventListener(event, ({ target }) => show(target.closest(".node")));
  map.addEventListener("pointerleave", () => show(null));
}
