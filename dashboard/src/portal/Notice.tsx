import type { ReactElement, ReactNode } from "react";

/** In place of figures: what is up. */
export function Notice({ title, children }: { title: string; children: ReactNode }): ReactElement {
  return (
    <section className="card mx-auto mt-6 w-full max-w-lg p-8 text-center">
      <h1 className="text-[17px] font-semibold tracking-tight">{title}</h1>
      <p className="mt-2 text-soft">{children}</p>
    </section>
  );
}
