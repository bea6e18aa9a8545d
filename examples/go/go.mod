module example.com/support-bot

go 1.19

require farebox.dev/farebox v0.1.0

replace farebox.dev/farebox => ../../sdk/go
