import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { tagsQuery } from "@/shared/api/queries";
import { DIMENSIONS, type Dimension, isDimension, labelOf, type Search } from "@/shared/search/search";

interface DimensionSelectProps {
  label: string;
  search: Search;
  value: Dimension;
  onChange: (dimension: Dimension) => void;
}

/** Any dimension, and every tag that was seen in the span. */
export function DimensionSelect({ label, search, value, onChange }: DimensionSelectProps): ReactElement {
  const tags = useQuery(tagsQuery(search)).data?.values.map(({ dimension }) => dimension) ?? [];
  const found = [...new Set([...tags, ...(DIMENSIONS.includes(value as never) ? [] : [value])])].sort();
  return (
    <select
      aria-label={label}
      value={value}
      onChange={({ target }) => isDimension(target.value) && onChange(target.value)}
      className="max-w-44 rounded-md border border-line bg-card py-0.5 pr-1 pl-1.5 text-[12.5px] font-medium text-soft hover:text-ink"
    >
      <optgroup label="Dimensions">
        {DIMENSIONS.map((name) => (
          <option key={name} value={name}>
            {labelOf(name)}
          </option>
        ))}
      </optgroup>
      {found.length > 0 ? (
        <optgroup label="Tags">
          {found.filter(isDimension).map((name) => (
            <option key={name} value={name}>
              {labelOf(name)}
            </option>
          ))}
        </optgroup>
      ) : null}
    </select>
  );
}
