import { type ReactElement, useEffect, useState } from "react";

/** Text to paste elsewhere, with a button that copies it. */
export function Copyable({ text, label }: { text: string; label: string }): ReactElement {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <div className="flex items-start gap-2 rounded-lg border border-line bg-sunken py-1.5 pr-1.5 pl-3">
      <pre className="min-w-0 flex-1 py-1 break-words whitespace-pre-wrap font-mono text-[12.5px] leading-relaxed">
        <code>{text}</code>
      </pre>
      <button
        type="button"
        aria-label={`Copy: ${label}`}
        className="rounded-md px-2 py-1 text-[12px] font-medium text-soft hover:bg-card hover:text-ink"
        onClick={() => {
          void navigator.clipboard.writeText(text).then(() => setCopied(true));
        }}
      >
        {copied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}
