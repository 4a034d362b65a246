// Remember the language that was chosen, and let what is too wide scroll by itself, by keyboard too.

for (const link of document.querySelectorAll(".language-switch")) {
  link.addEventListener("click", () => {
    try {
      localStorage.setItem("course-language", link.lang);
    } catch {
      // no storage, no memory
    }
  });
}

// The theme's buttons that unfold a part of the contents have no name.
for (const summary of document.querySelectorAll("li.has-children > details > summary")) {
  summary.setAttribute("aria-label", summary.closest("li").querySelector("a").textContent);
}

for (const table of document.querySelectorAll("article table")) {
  if (table.closest(".pst-scrollable-table-container, .scrolls")) continue;
  const box = document.createElement("div");
  box.className = "scrolls";
  table.replaceWith(box);
  box.append(table);
}

const makeReachable = () => {
  const boxes = "article pre, article .scrolls, article .output, .pst-scrollable-table-container";
  for (const box of document.querySelectorAll(boxes)) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }
};
addEventListener("load", makeReachable);
addEventListener("resize", makeReachable);
document.addEventListener("toggle", makeReachable, true);
