// What looks like an API key is written down nowhere, whoever put it where.

const KEY =
  /(^|[^A-Za-z0-9])((?:sk[-_]|(?:pk|rk|csk|tvly|pplx|nvapi|xai|key|glpat)-|fbx_[a-z]+_|(?:gsk|hf|r8|fw|gh[opsu]|github_pat|tgp_v1|dapi|pk|rk)_|AIza|A[KS]IA|ya29\.|eyJ)[\w.-]{12,})/g;
const SHOWN = "[key]";

export function withoutKeys(text) {
  return text.replace(KEY, (all, before, key) => (isKey(key) ? before + SHOWN : all));
}

/** Models' names begin like keys, too (`pplx-embed-v1`): these have no long run of letters and digits. */
function isKey(text) {
  return /\d/.test(text) && (/^(?:sk|fbx|AIza|A[KS]IA|ya29|eyJ)/.test(text) || /[A-Za-z0-9]{16}/.test(text));
}

/** Return a path as events may show it: a segment that is one long run of letters and digits may be a key. */
export function pathWithoutKeys(path) {
  const segments = withoutKeys(path).split("/");
  return segments.map((each) => (/^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9]{24,}$/.test(each) ? SHOWN : each)).join("/");
}
