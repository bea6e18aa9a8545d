import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { SideButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Copyable } from "@/shared/ui/page/Copyable";
import { Loaded } from "@/shared/ui/page/Loaded";
import { doctorQuery } from "./queries";

/** What the doctor finds, what is wrong first, each with the one thing to do. */
export function DoctorCard(): ReactElement {
  const doctor = useQuery(doctorQuery);
  return (
    <Card
      title="Doctor"
      aside={
        <SideButton disabled={doctor.isFetching} onClick={() => void doctor.refetch()}>
          {doctor.isFetching ? "Looking…" : "Look again"}
        </SideButton>
      }
    >
      <Loaded query={doctor} skeleton={<div className="skeleton h-48" />}>
        {(found) => (
          <div className="flex flex-col gap-4">
            <ul className="flex flex-col gap-1.5 text-[13px]">
              {found.findings.map((each) => (
                <li key={`${each.name} ${each.detail}`} className="flex gap-2.5">
                  <span aria-hidden="true" className={each.ok ? "text-accent" : "text-bad"}>
                    {each.ok ? "✔" : "✘"}
                  </span>
                  <span className="min-w-0">
                    <span className="sr-only">{each.ok ? "Well: " : "Wrong: "}</span>
                    <span className="font-medium">{each.name}</span>
                    {each.detail === "" ? null : (
                      <span className="break-words text-soft"> {each.detail}</span>
                    )}
                    {each.fix === null ? null : <span className="block font-medium">→ {each.fix}</span>}
                  </span>
                </li>
              ))}
            </ul>
            <div>
              <p className="mb-2 text-[12.5px] text-soft">
                To try every client of this machine with a call that costs nothing:
              </p>
              <Copyable label="the doctor" text={found.command} />
            </div>
          </div>
        )}
      </Loaded>
    </Card>
  );
}
