package farebox

import (
	"regexp"
	"strings"
)

// What looks like an API key is written down nowhere, whoever put it where.
var (
	keyForm = regexp.MustCompile(`(^|[^A-Za-z0-9])((?:sk[-_]|(?:pk|rk|csk|tvly|pplx|nvapi|xai|key|glpat)-|fbx_[a-z]+_|` +
		`(?:gsk|hf|r8|fw|gh[opsu]|github_pat|tgp_v1|dapi|pk|rk)_|AIza|A[KS]IA|ya29\.|eyJ)[\w.-]{12,})`)
	certain = regexp.MustCompile(`^(?:sk|fbx|AIza|A[KS]IA|ya29|eyJ)`)
	run     = regexp.MustCompile(`[A-Za-z0-9]{16}`)
	longRun = regexp.MustCompile(`^[A-Za-z0-9]{24,}$`)
)

const (
	keyShown = "[key]"
	digits   = "0123456789"
)

func withoutKeys(text string) string {
	return keyForm.ReplaceAllStringFunc(text, func(found string) string {
		parts := keyForm.FindStringSubmatch(found)
		if !isKey(parts[2]) {
			return found
		}
		return parts[1] + keyShown
	})
}

// isKey tells a key from a model's name that begins like one (pplx-embed-v1).
func isKey(text string) bool {
	return strings.ContainsAny(text, digits) && (certain.MatchString(text) || run.MatchString(text))
}

// pathWithoutKeys returns a path as events may show it: a segment that is one long run of letters and digits may
// be a key.
func pathWithoutKeys(path string) string {
	segments := strings.Split(withoutKeys(path), "/")
	for place, each := range segments {
		if longRun.MatchString(each) && strings.ContainsAny(each, digits) && strings.Trim(each, digits) != "" {
			segments[place] = keyShown
		}
	}
	return strings.Join(segments, "/")
}
