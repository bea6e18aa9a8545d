import { type ReactElement, useState } from "react";
import { TERMS } from "@/shared/api/billing-queries";
import type { SubscriptionState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { TextButton } from "@/shared/ui/forms/buttons";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { Empty } from "@/shared/ui/page/Empty";
import { StatusChip } from "@/shared/ui/page/StatusChip";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { changeSubscription, endSubscription, subscribe } from "./changes";

interface SubscriptionTableProps {
  subscriptions: readonly SubscriptionState[];
  plans: readonly string[];
  mayChange: boolean;
  openCustomer?: (customer: string) => void;
}

/** Who is on which version of which plan, from when to when. */
export function SubscriptionTable(props: SubscriptionTableProps): ReactElement {
  const { subscriptions, plans, mayChange, openCustomer } = props;
  const [asked, setAsked] = useState<{ deed: "change" | "end"; of: SubscriptionState } | null>(null);
  const columns: Column<SubscriptionState>[] = [
    ...(openCustomer === undefined
      ? []
      : [
          {
            id: "customer",
            title: "Customer",
            sort: byText<SubscriptionState>(({ customer }) => customer),
            cell: ({ customer }: SubscriptionState) => (
              <TextButton onClick={() => openCustomer(customer)}>{customer}</TextButton>
            ),
          },
        ]),
    {
      id: "plan",
      title: "Plan",
      sort: byText(({ plan }) => plan),
      cell: (each) => (
        <span>
          {each.plan} <span className="text-[12.5px] text-faint">{versionWords(each)}</span>
          {each.overrides.length > 0 ? (
            <span className="block text-[12px] text-soft">own terms: {each.overrides.join("; ")}</span>
          ) : null}
        </span>
      ),
    },
    {
      id: "state",
      title: "State",
      sort: byText(({ state }) => state),
      cell: ({ state }) => <StatusChip status={state} />,
    },
    {
      id: "start",
      title: "From",
      sort: byText(({ start }) => start),
      cell: ({ start }) => <span className="whitespace-nowrap">{start}</span>,
    },
    {
      id: "until",
      title: "Until",
      wide: true,
      sort: byText(({ until }) => until ?? "9"),
      cell: ({ until }) => <span className="whitespace-nowrap">{until ?? "open"}</span>,
    },
    ...(mayChange
      ? [
          {
            id: "deeds",
            title: "",
            right: true,
            cell: (of: SubscriptionState) =>
              of.origin !== "command" ? (
                <span className="text-[12px] text-faint">in {of.origin}</span>
              ) : of.state === "ended" || of.until !== null ? null : (
                <span className="flex justify-end gap-3 whitespace-nowrap">
                  <TextButton onClick={() => setAsked({ deed: "change", of })}>Change plan</TextButton>
                  <TextButton onClick={() => setAsked({ deed: "end", of })}>End</TextButton>
                </span>
              ),
          },
        ]
      : []),
  ];
  return (
    <>
      <SortTable
        caption="Subscriptions"
        rows={subscriptions}
        columns={columns}
        keyOf={({ id }) => id}
        orderName="subscriptions-sort"
        empty={
          <Empty title="No subscription">
            A subscription puts a customer on a plan, from a day on. Its plan bills it then.
          </Empty>
        }
      />
      {asked?.deed === "change" ? (
        <ChangePlan of={asked.of} plans={plans} close={() => setAsked(null)} />
      ) : null}
      {asked?.deed === "end" ? <End of={asked.of} close={() => setAsked(null)} /> : null}
    </>
  );
}

function versionWords({ version, newest_version: newest }: SubscriptionState): string {
  return newest > version ? `version ${version} of ${newest}` : `version ${version}`;
}

function ChangePlan({
  of,
  plans,
  close,
}: {
  of: SubscriptionState;
  plans: readonly string[];
  close: () => void;
}): ReactElement {
  const [plan, setPlan] = useState(plans.find((each) => each !== of.plan) ?? of.plan);
  const [at, setAt] = useState("");
  const change = useChange(changeSubscription, TERMS, close);
  return (
    <Confirm
      title={`Move ${of.customer} from ${of.plan}`}
      words={[
        "The newest version of the plan charges from that day on; the days before stay on what they have.",
      ]}
      deed="Change the plan"
      act={() => change.mutate({ customer: of.customer, plan, at, instead_of: of.plan })}
      close={close}
      pending={change.isPending}
      error={change.error}
      ready={at !== ""}
    >
      <div className="mt-3 flex flex-col gap-1">
        <Choice
          label="To the plan"
          value={plan}
          change={setPlan}
          choices={plans.map((each) => [each, each] as const)}
        />
        <TextField label="The first day on it" type="date" value={at} change={setAt} required />
      </div>
    </Confirm>
  );
}

function End({ of, close }: { of: SubscriptionState; close: () => void }): ReactElement {
  const [at, setAt] = useState("");
  const end = useChange(endSubscription, TERMS, close);
  return (
    <Confirm
      title={`End ${of.plan} of ${of.customer}`}
      words={["The days until then are still billed. What the record learns of them later is, too."]}
      deed="End the subscription"
      dangerous
      act={() => end.mutate({ customer: of.customer, plan: of.plan, at })}
      close={close}
      pending={end.isPending}
      error={end.error}
      ready={at !== ""}
    >
      <div className="mt-3">
        <TextField
          label="The first day that it does not charge"
          type="date"
          value={at}
          change={setAt}
          required
        />
      </div>
    </Confirm>
  );
}

interface SubscribeDialogProps {
  customers: readonly string[];
  plans: readonly string[];
  /** Whom it is for, where that is known. */
  customer?: string;
  close: () => void;
}

/** Put a customer on a plan. */
export function SubscribeDialog({ customers, plans, customer, close }: SubscribeDialogProps): ReactElement {
  const [said, setSaid] = useState({ customer: customer ?? "", plan: plans[0] ?? "", start: "" });
  const begin = useChange(subscribe, TERMS, close);
  return (
    <Confirm
      title="New subscription"
      words={["The newest version of the plan charges from that day on, in the customer's time zone."]}
      deed="Subscribe"
      act={() => begin.mutate(said)}
      close={close}
      pending={begin.isPending}
      error={begin.error}
      ready={said.customer !== "" && said.plan !== "" && said.start !== ""}
    >
      <div className="mt-3 flex flex-col gap-1">
        {customer === undefined ? (
          <TextField
            label="Customer"
            value={said.customer}
            change={(name) => setSaid({ ...said, customer: name })}
            options={customers}
            required
          />
        ) : null}
        <Choice
          label="Plan"
          value={said.plan}
          change={(plan) => setSaid({ ...said, plan })}
          choices={plans.map((each) => [each, each] as const)}
        />
        <TextField
          label="The first day"
          type="date"
          value={said.start}
          change={(start) => setSaid({ ...said, start })}
          required
        />
      </div>
    </Confirm>
  );
}
