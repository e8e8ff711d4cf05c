/* Keeps tiers together while they are edited: where one ends, the next begins, unless that was set apart by hand. */
(function () {
  "use strict";

  const END = /^(.*\.tiers)\[(\d+)\]\.up_to$/;
  let before = "";

  function next(input) {
    const found = END.exec(input.name);
    return found && document.getElementsByName(found[1] + "[" + (Number(found[2]) + 1) + "].above")[0];
  }

  document.addEventListener("focusin", (event) => {
    if (event.target.name && next(event.target)) {
      before = event.target.value;
    }
  });

  document.addEventListener("input", (event) => {
    const above = event.target.name && next(event.target);
    if (above && above.value === before) {
      above.value = event.target.value;
    }
    if (above) {
      before = event.target.value;
    }
  });
})();
