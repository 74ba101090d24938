// Asks, in a request that waits for it, whether anything has changed since this
// page was made. A host that is gone may come back.
const seen = document.documentElement.dataset.number;
(async () => {
  for (;;) {
    try {
      const answer = await fetch(location.href, { headers: { "dunlin-page": seen }, cache: "no-store" });
      const now = answer.headers.get("dunlin-page");
      if (now && now !== seen) return location.reload();
      if (now) continue;
    } catch {}
    await new Promise((again) => setTimeout(again, 1000));
  }
})();
