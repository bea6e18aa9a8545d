import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { CaptureFigures } from "@/features/system/CaptureFigures";
import { DoctorCard } from "@/features/system/DoctorCard";
import { captureQuery } from "@/features/system/queries";
import { ProcessesCard, SourcesCard } from "@/features/system/SourcesCard";
import { useMayChange } from "@/shared/api/role";
import { zoneOf } from "@/shared/search/search";
import { useSearch } from "@/shared/search/use-search";
import { Loaded } from "@/shared/ui/page/Loaded";

/** Whether every call is seen: who reports them, what is missing, and what to do about it. */
export default function CaptureScreen(): ReactElement {
  const tz = zoneOf(useSearch().search);
  const capture = useQuery(captureQuery);
  const mayLook = useMayChange();
  return (
    <Loaded
      query={capture}
      skeleton={<div className="skeleton h-96" />}
      className="flex min-w-0 flex-col gap-6"
    >
      {(data) => (
        <>
          <CaptureFigures capture={data} />
          <SourcesCard capture={data} tz={tz} />
          <div className="grid gap-6 lg:grid-cols-2">
            {mayLook ? <DoctorCard /> : null}
            <ProcessesCard capture={data} tz={tz} />
          </div>
        </>
      )}
    </Loaded>
  );
}
