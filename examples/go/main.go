// A support bot: one call, one stream, and what came of it, each on its customer's account.
//
//	go run . && farebox by customer
//
// With OpenAI's client the same takes one option:
// openai.NewClient(option.WithHTTPClient(&http.Client{Transport: farebox.Transport(nil)})).
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	farebox "farebox.dev/farebox"
)

type chunk struct {
	Choices []struct {
		Message, Delta struct{ Content string }
	}
}

type bot struct {
	base   string
	client *http.Client
}

func main() {
	ours := bot{"https://api.openai.com/v1", &http.Client{Transport: farebox.Transport(nil)}}
	if base := os.Getenv("OPENAI_BASE_URL"); base != "" {
		ours.base = base
		check(farebox.Configure(farebox.Settings{Providers: map[string]string{base: "openai"}}))
	}
	ctx := context.Background()
	fmt.Println(ours.answer(ctx, "acme", "How do I reset my password?"))
	ours.tell(ctx, "globex", "Where is my order?")
	_, err := farebox.Outcome(ctx, farebox.Result{Name: "ticket.solved", Names: farebox.Names{Customer: "globex", Task: "t-2"}})
	check(err)
	check(farebox.Flush(ctx))
}

// answer returns the model's answer, in one piece.
func (b bot) answer(ctx context.Context, customer, question string) string {
	response := b.ask(ctx, farebox.Names{Customer: customer, Task: "t-1"}, question, map[string]any{})
	defer response.Body.Close()
	var told chunk
	check(json.NewDecoder(response.Body).Decode(&told))
	return told.Choices[0].Message.Content
}

// tell prints the model's answer as it comes.
func (b bot) tell(ctx context.Context, customer, question string) {
	response := b.ask(ctx, farebox.Names{Customer: customer, Task: "t-2"}, question, map[string]any{
		"stream": true, "stream_options": map[string]any{"include_usage": true},
	})
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		data := strings.TrimPrefix(lines.Text(), "data: ")
		var told chunk
		if json.Unmarshal([]byte(data), &told) == nil && len(told.Choices) > 0 {
			fmt.Print(told.Choices[0].Delta.Content)
		}
	}
	check(lines.Err())
	fmt.Println()
}

func (b bot) ask(ctx context.Context, names farebox.Names, question string, body map[string]any) *http.Response {
	names.Tags = map[string]string{"feature": "support"}
	body["model"] = "gpt-4o"
	body["messages"] = []map[string]string{{"role": "user", "content": question}}
	text, err := json.Marshal(body)
	check(err)
	ctx = farebox.Attribute(ctx, names)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+"/chat/completions", bytes.NewReader(text))
	check(err)
	request.Header.Set("authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	request.Header.Set("content-type", "application/json")
	response, err := b.client.Do(request)
	check(err)
	return response
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
