// Requests to the server that this page came from.

/** An error that the server explained, or that the network gave. */
async function explained(response) {
  try {
    return new Error((await response.json()).error.message);
  } catch {
    return new Error(`the server answered ${response.status}`);
  }
}

function headers(key) {
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

/** The names of the models. */
export async function models(key) {
  const response = await fetch("/v1/models", { headers: headers(key) });
  if (!response.ok) throw await explained(response);
  return (await response.json()).data.map((model) => model.id);
}

/** Chunks of a streamed chat, as they come. */
export async function* chat(body, key, signal) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: headers(key),
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) throw await explained(response);
  let rest = "";
  for await (const text of decoded(response.body)) {
    const events = (rest + text).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      yield chunk;
    }
  }
  throw new Error("the server stopped in the middle of a reply");
}

async function* decoded(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}
