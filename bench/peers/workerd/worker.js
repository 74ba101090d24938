// The bench's routes as a worker.

function isPrime(candidate) {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false;
  }
  return true;
}

function countPrimes(below) {
  let count = 0;
  for (let candidate = 2; candidate < below; candidate++) {
    if (isPrime(candidate)) count++;
  }
  return count;
}

async function length(url) {
  const answer = await fetch(url);
  return (await answer.arrayBuffer()).byteLength;
}

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/hello":
        return new Response("hello");
      case "/sleep": {
        const ms = Number(searchParams.get("ms"));
        await new Promise((wake) => setTimeout(wake, ms));
        return new Response("slept");
      }
      case "/cpu":
      case "/cpu-async":
        return new Response(String(countPrimes(Number(searchParams.get("below")))));
      case "/fanout": {
        const url = searchParams.get("url");
        const [a, b, c] = await Promise.all([length(url), length(url), length(url)]);
        return new Response(String(a + b + c));
      }
      case "/echo":
        return Response.json(await request.json());
      case "/bytes":
        return new Response(await request.arrayBuffer());
      default:
        return new Response("no such route", { status: 404 });
    }
  },
};
