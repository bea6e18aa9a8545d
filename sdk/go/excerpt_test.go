package farebox

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

func excerptOf(body, contentType string, cut int) string {
	made := newBodyExcerpt(contentType)
	for at := 0; at < len(body); at += cut {
		end := at + cut
		if end > len(body) {
			end = len(body)
		}
		made.feed([]byte(body[at:end]))
	}
	text, _ := made.finish()
	return text
}

var wholeBody = `{"id":"résumé-😀","model":"gpt-4o","choices":[{"message":{"content":"` +
	strings.Repeat(`a \"secret\" \\ {\"usage\":{\"prompt_tokens\":9}} `, 50) + `"},"finish_reason":"stop"}],` +
	`"metadata":{"usage":"a secret","name":"a secret","id":"a secret"},"usage":{"prompt_tokens":1000,"cost":0.12345678901234567890,"details":` +
	`{"cached_tokens":4,"note":"` + strings.Repeat("x", 2000) + `"}}}`

func TestAnExcerptIsTheSameHoweverItsBytesAreCut(t *testing.T) {
	for _, body := range []string{
		wholeBody, wholeBody + "\n" + wholeBody + "\n", "[" + wholeBody + ",\n" + wholeBody + "]", strings.Join(chatEvents, ""),
	} {
		wanted := excerptOf(body, "", len(body))
		for _, cut := range []int{1, 2, 3, 7, 64, 1000} {
			if found := excerptOf(body, "", cut); found != wanted {
				t.Fatalf("cut at %d: %s, not %s", cut, found, wanted)
			}
		}
		if strings.Contains(wanted, "secret") {
			t.Error(wanted)
		}
	}
	expect(t, excerptOf(wholeBody, "", 9999), `{"id":"résumé-😀","model":"gpt-4o","choices":[{"message":{},"finish_reason":"stop"}],`+
		`"metadata":{},"usage":{"prompt_tokens":1000,"cost":0.12345678901234567890,"details":{"cached_tokens":4}}}`)
}

func TestLinesOfAStreamMayEndInAnyWayAndEventsMayHaveSeveral(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r"} {
		lines := []string{": hello", "event: x", `data: {"id":"a",`, `data: "usage":{"n":1}}`, "", "data: [DONE]", "", ""}
		for _, cut := range []int{1, 2, 5, 999} {
			expect(t, excerptOf(strings.Join(lines, end), "text/event-stream", cut),
				"data: {\"id\":\"a\",\"usage\":{\"n\":1}}\n\ndata: [DONE]\n\n")
		}
	}
}

func TestALongStreamOfRunningTotalsStaysSmallAndKeepsItsFirstAndItsLast(t *testing.T) {
	made := newBodyExcerpt("text/event-stream")
	for count := 1; count <= 20000; count++ {
		made.feed([]byte(fmt.Sprintf("data: {\"responseId\":\"r\",\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":%d}}\n\n", count)))
	}
	text, _ := made.finish()
	if len(text) > 200_000 || !strings.Contains(text[:100], `"candidatesTokenCount":1}`) || !strings.HasSuffix(text, "\"candidatesTokenCount\":20000}}\n\n") {
		t.Error(len(text), text[:100], text[len(text)-100:])
	}
}

func TestWhatIsCutOffSaysSoAndWhateverComesDoesNotPanic(t *testing.T) {
	expect(t, excerptOf(`{"id":"a","usage":{"n":1`, "", 3), `{"id":"a","usage":{`)
	expect(t, excerptOf("<html>a page</html>", "", 3), "")
	expect(t, excerptOf(`{"a":`+strings.Repeat("[", 100_000), "", 999), "{")
	random := rand.New(rand.NewSource(7))
	for round := 0; round < 2000; round++ {
		body := []byte(wholeBody)
		for change := 0; change < 3; change++ {
			body[random.Intn(len(body))] = `{}[]",:\0 `[random.Intn(10)]
		}
		excerptOf(string(body), "", 1+random.Intn(90))
	}
}
