// Command bench measures what metering adds to a call and to an event of a stream, in microseconds:
// `bench URL CALLS`. Plain and metered calls take turns, so that whatever else the machine does happens to both.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	farebox "farebox.dev/farebox"
)

const streamed = 300

func main() {
	url := os.Args[1]
	calls, err := strconv.Atoi(os.Args[2])
	must(err)
	must(farebox.Configure(farebox.Settings{Providers: map[string]string{url: "openai"}}))
	clients := []*http.Client{{}, {Transport: farebox.Transport(nil)}}
	p50, p99 := added(clients, url, 0, calls)
	stream, _ := added(clients, url, streamed, calls/10+1)
	must(farebox.Flush(context.Background()))
	must(json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"call_p50_us": p50, "call_p99_us": p99, "event_us": stream / streamed,
	}))
}

func added(clients []*http.Client, url string, events, count int) (p50, p99 float64) {
	times := [2][]float64{}
	for number := 0; number < count+50; number++ {
		for place, client := range clients {
			took := timed(client, url, events)
			if number >= 50 { // the first ones warm up
				times[place] = append(times[place], took)
			}
		}
	}
	at := func(place int, share float64) float64 {
		sort.Float64s(times[place])
		return times[place][int(float64(len(times[place]))*share)]
	}
	return at(1, 0.5) - at(0, 0.5), at(1, 0.99) - at(0, 0.99)
}

func timed(client *http.Client, url string, events int) float64 {
	body := `{"model":"gpt-4o","messages":[{"role":"user","content":"` + strings.Repeat("word ", 200) + `"}]}`
	request, err := http.NewRequest(http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	must(err)
	if events > 0 {
		request.Header.Set("x-mock-events", strconv.Itoa(events))
	}
	began := time.Now()
	response, err := client.Do(request)
	must(err)
	_, err = io.Copy(io.Discard, response.Body)
	must(err)
	response.Body.Close()
	return float64(time.Since(began).Nanoseconds()) / 1000
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
