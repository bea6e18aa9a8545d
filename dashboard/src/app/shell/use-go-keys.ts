import { useEffect, useRef } from "react";

const WITHIN_MS = 1_500;

/** `g` and a key within a second and a half go somewhere; in between no other key means anything. */
export function useGoKeys(go: (key: string) => boolean): void {
  const latest = useRef(go);
  latest.current = go;
  useEffect(() => {
    let begunAt = Number.NEGATIVE_INFINITY;
    const onKey = (event: KeyboardEvent): void => {
      if (event.metaKey || event.ctrlKey || event.altKey || event.key === "Shift") return;
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, [contenteditable], dialog") !== null) return;
      const isSecond = event.timeStamp - begunAt < WITHIN_MS;
      begunAt = !isSecond && event.key === "g" ? event.timeStamp : Number.NEGATIVE_INFINITY;
      if (event.key === "g" ? !isSecond : isSecond && latest.current(event.key)) event.preventDefault();
    };
    // Before the screen's own keys: `g e` does not explain a call.
    document.addEventListener("keydown", onKey, true);
    return () => document.removeEventListener("keydown", onKey, true);
  }, []);
}
