import { type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";

/** A change through the API. What it makes stale is asked for again before it counts as done. */
export function useChange<Input, Output>(
  change: (input: Input) => Promise<Output>,
  stale: readonly string[],
  done?: (output: Output, input: Input) => void,
): UseMutationResult<Output, Error, Input> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async (output, input) => {
      await Promise.all(stale.map((key) => client.invalidateQueries({ queryKey: [key] })));
      done?.(output, input);
    },
  });
}
