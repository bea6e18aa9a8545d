# A program that knows nothing of Farebox: Ruby's Net::HTTP, which looks at http_proxy even for https.
require "json"
require "net/http"

body = JSON.generate({ model: "gpt-4o", messages: [] })
headers = { "Content-Type" => "application/json", "Authorization" => "Bearer sk-ruby" }
answer = Net::HTTP.post(URI("https://api.openai.com/v1/chat/completions"), body, headers)
exit(answer.code == "200")
