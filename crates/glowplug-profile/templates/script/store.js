// What is selected, searched and shown; whoever draws it is told when it changes.

function createStore(initial) {
  const state = { ...initial };
  const listeners = [];
  return {
    state,
    listen(listener) {
      listeners.push(listener);
    },
    set(changes) {
      const changed = new Set(Object.keys(changes).filter((key) => state[key] !== changes[key]));
      if (!changed.size) return;
      Object.assign(state, changes);
      for (const listener of listeners) listener(changed);
    },
  };
}

/** The modules whose name or file has every word of the query, or null where nothing is asked. */
function search(model, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  const found = new Set();
  model.haystack.forEach((text, i) => words.every((word) => text.includes(word)) && found.add(i));
  return found;
}
