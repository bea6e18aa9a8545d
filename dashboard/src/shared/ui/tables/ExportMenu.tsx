import { type ReactElement, useEffect, useRef } from "react";

const FORMATS = { csv: "CSV", json: "JSON", parquet: "Parquet" } as const;
export type ExportFormat = keyof typeof FORMATS;

export interface Exported {
  /** What is exported: "calls". */
  what: string;
  /** The address of the file. */
  href: (format: ExportFormat) => string;
}

/** All rows that are asked for, as a file: not only those that are shown. */
export function ExportMenu({ what, href }: Exported): ReactElement {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event): void => {
      if (menu.current && !menu.current.contains(event.target as Node)) menu.current.open = false;
    };
    document.addEventListener("pointerdown", close);
    return () => document.removeEventListener("pointerdown", close);
  }, []);
  return (
    <details ref={menu} className="relative">
      <summary
        aria-label={`Export ${what}`}
        className="cursor-pointer list-none rounded-md px-2 py-0.5 text-[12.5px] font-medium text-soft hover:bg-sunken hover:text-ink"
      >
        Export
      </summary>
      <ul className="card absolute top-full right-0 z-30 mt-1 w-32 p-1">
        {(Object.keys(FORMATS) as ExportFormat[]).map((format) => (
          <li key={format}>
            <a
              href={href(format)}
              download
              onClick={() => {
                if (menu.current) menu.current.open = false;
              }}
              className="block rounded-lg px-2.5 py-1.5 text-[13px] hover:bg-sunken"
            >
              {FORMATS[format]}
            </a>
          </li>
        ))}
      </ul>
    </details>
  );
}
