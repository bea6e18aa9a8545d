import type { ReactElement } from "react";

interface MeterProps {
  /** In thousandths of the whole; more than all of it fills the bar. */
  spent: number;
  reserved?: number;
  label: string;
}

/** How much of a limit is used, and what is set aside of it (hatched). Red from nine tenths on. */
export function Meter({ spent, reserved = 0, label }: MeterProps): ReactElement {
  const used = Math.max(0, Math.min(spent, 1000));
  const held = Math.max(0, Math.min(reserved, 1000 - used));
  const color = spent >= 1000 ? "var(--bad)" : spent >= 900 ? "var(--s2)" : "var(--s0)";
  return (
    <span
      role="img"
      aria-label={label}
      title={label}
      className="flex h-1.5 w-full min-w-16 overflow-hidden rounded-full bg-sunken"
    >
      <span className="block h-full" style={{ width: `${used / 10}%`, background: color }} />
      <span className="block h-full opacity-45" style={{ width: `${held / 10}%`, background: color }} />
    </span>
  );
}
