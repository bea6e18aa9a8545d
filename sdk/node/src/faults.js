// Errors of our own: they never reach the code that makes the calls. Each kind is told once, and all are
// handed to `onError`.

const told = new Set();
let hook;

/** What was given makes no sense, and nothing was recorded. */
export class FareboxError extends Error {
  name = "FareboxError";
}

export function useHook(onError) {
  hook = onError;
}

export function report(error, doing) {
  try {
    const kind = `${doing}: ${error?.code ?? error?.name ?? "Error"}`;
    if (!told.has(kind) && told.size < 100) {
      told.add(kind);
      process.emitWarning(`${doing}: ${error?.message ?? error}`, "FareboxWarning");
    }
    const later = hook?.(error, doing);
    if (typeof later?.then === "function") later.then(undefined, () => undefined);
  } catch {
    // an onError that throws, or rejects, changes nothing
  }
}
