import type { ButtonHTMLAttributes, ReactElement } from "react";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement>;

const SHAPE =
  "rounded-lg px-3 py-1.5 text-[13px] font-medium whitespace-nowrap disabled:cursor-default disabled:opacity-50";

/** What a screen or a dialog is mostly for. */
export function MainButton({ className = "", ...rest }: ButtonProps): ReactElement {
  return <button type="button" {...rest} className={`${SHAPE} bg-ink text-paper ${className}`} />;
}

/** One of several things to do. */
export function SideButton({ className = "", ...rest }: ButtonProps): ReactElement {
  return (
    <button
      type="button"
      {...rest}
      className={`${SHAPE} border border-line text-soft hover:bg-sunken hover:text-ink ${className}`}
    />
  );
}

/** What takes something away. */
export function DangerButton({ className = "", ...rest }: ButtonProps): ReactElement {
  return (
    <button
      type="button"
      {...rest}
      className={`${SHAPE} bg-bad-soft text-bad hover:underline ${className}`}
    />
  );
}

/** A word in a row that does something. */
export function TextButton({ className = "", ...rest }: ButtonProps): ReactElement {
  return (
    <button
      type="button"
      {...rest}
      className={`rounded text-[13px] font-medium text-accent underline-offset-4 hover:underline ${className}`}
    />
  );
}
