"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
const authors = { fan: "you", api: "the bot", human: "the creator, by hand", automated: "Fanvue's automation", broadcast: "a mass message" };
const phases = {
  settling: "waiting whether you write more",
  composing: "writing a reply",
  awaiting_approval: "a reply waits for approval",
  pacing: "the reply is ready and held back a little",
  sending: "sending",
  reconciling: "no clear answer to the send: reading the chat",
};
const armed = ["duplicate_webhook", "lose_answer", "fail_model"];
const time = (text) => new Date(text).toLocaleTimeString();
let shown = "";
let signals = 0;
let typingUntil = 0;
let bots = 0;
let waits = "";
let decidesOn;

async function call(path, body) {
  const options = body ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {};
  const answer = await fetch(path, options);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error || answer.statusText);
  return value;
}

async function act(body) {
  try {
    const came = await call("/demo/act", body);
    $("notice").textContent = came.says && !came.done ? came.says : "";
    await refresh();
    return came;
  } catch (error) {
    $("notice").textContent = error.message;
  }
}

function show(chat) {
  const replies = chat.messages.filter((m) => m.origin === "api").length;
  if (chat.typingSignals > signals) typingUntil = Date.now() + 8000;
  if (replies > bots || !chat.turn) typingUntil = 0;
  signals = chat.typingSignals;
  bots = replies;
  $("typing").hidden = Date.now() > typingUntil;
  $("turn").textContent = chat.turn
    ? `Turn ${chat.turn.turn}, draft ${chat.turn.draft}: ${phases[chat.turn.phase] || chat.turn.phase}` + (chat.turn.until ? `, until ${time(chat.turn.until)}` : "")
    : chat.pausedUntil ? `A human has the conversation until ${time(chat.pausedUntil)}` : "Nothing to do.";
  showDecisions(chat);
  const state = JSON.stringify([chat.messages, chat.decisions, chat.drafts]);
  if (state === shown) return;
  shown = state;
  $("messages").replaceChildren(...chat.messages.map((m) => {
    const item = make("li", m.text || "[a photo]", m.origin);
    item.append(make("small", `${authors[m.origin] || m.origin}, ${time(m.sentAt)}`));
    return item;
  }));
  $("messages").scrollTop = $("messages").scrollHeight;
  $("decisions").replaceChildren(...chat.decisions.filter((d) => d.author === "fan").map((d) => {
    const item = make("li");
    item.append(make("b", d.text || "[a photo]"), " ", make("span", (d.decision || "").replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, time), d.kind || ""));
    return item;
  }));
  $("drafts").replaceChildren(...chat.drafts.map((d) => {
    const item = make("li");
    item.append(make("b", d.edited || d.written), " ", make("span", d.says + (d.state.reason ? `: ${d.state.reason}` : ""), d.state.state));
    if (d.edited) item.append(make("small", `the model wrote: ${d.written}`));
    return item;
  }));
}

function either(id, first, now) {
  const [act, label] = now ? first[1] : first[0];
  $(id).dataset.act = act;
  $(id).textContent = label;
}

// What was typed stays until another draft waits.
function showDecisions(chat) {
  either("ask", [["ask_first", "Approve each reply first"], ["answer_alone", "Let the bot answer alone"]], chat.asksFirst);
  either("pause", [["pause", "Keep the bot out for an hour"], ["resume", "Let the bot go on in this chat"]], chat.pausedUntil);
  either("stop", [["stop_all", "Stop everything"], ["resume_all", "Go on with everything"]], chat.stoppedAt);
  $("stopped").hidden = !chat.stoppedAt;
  const open = chat.drafts.find((d) => d.open);
  const key = open ? `${open.turn}.${open.draft}` : "";
  $("draft").hidden = !open;
  if (key === waits) return;
  waits = key;
  decidesOn = open;
  $("note").value = "";
  if (open) $("reply").value = open.edited || open.written;
}

function decide(what) {
  if (!decidesOn) return;
  const { turn, draft } = decidesOn;
  const reply = $("reply").value;
  const text = what === "approve" || what === "edit" ? reply : $("note").value;
  return act({ act: what, fan: $("fan").value, turn, draft, text });
}

async function refresh() {
  const fan = $("fan").value;
  if (!fan) return;
  const chat = await call(`/demo/chat?fan=${fan}`);
  if (fan === $("fan").value) show(chat);
}

async function start() {
  const people = await call("/demo/fans");
  $("creator").textContent = people.creator;
  $("model").textContent = people.model;
  $("fan").append(...people.fans.map((f) => {
    const option = make("option", f.handle);
    option.value = f.uuid;
    return option;
  }));
  $("fan").addEventListener("change", () => { shown = ""; signals = Infinity; bots = Infinity; refresh(); });
  $("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("text").value.trim();
    if (!text) return;
    $("text").value = "";
    act({ act: "fan_writes", fan: $("fan").value, text });
  });
  $("photo").addEventListener("click", () => act({ act: "fan_sends_photo", fan: $("fan").value }));
  $("draft").addEventListener("submit", (event) => { event.preventDefault(); decide("approve"); });
  for (const button of document.querySelectorAll("[data-draft]")) {
    button.addEventListener("click", () => decide(button.dataset.draft));
  }
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", async () => {
      await act({ act: button.dataset.act, fan: $("fan").value, text: "hey, it's really me now" });
      if (!$("notice").textContent && armed.includes(button.dataset.act)) $("notice").textContent = "Armed: now write something.";
    });
  }
  for (;;) {
    try { await refresh(); } catch (error) { $("notice").textContent = error.message; }
    await new Promise((done) => setTimeout(done, 400));
  }
}
start().catch((error) => { $("notice").textContent = error.message; });
