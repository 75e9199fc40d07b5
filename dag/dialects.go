package dag

import "strings"

// translate knows what keys of other dialects (Airflow, Argo, Dagu, GitHub
// Actions, GitLab, go-task, Kestra, make, Prefect) are called here: the key,
// and a sentence that ends a message, "" for a word that isn't known. Has says
// whether a key exists where the word stands.
func translate(word, object string, has func(string) bool) (key, sentence string) {
	plain := strings.ToLower(strings.NewReplacer("-", "_", ".", "_", " ", "_").Replace(word))
	for _, s := range []string{snakeCase(word), plain} {
		if s != word && has(s) {
			return s, calledHere(s)
		}
	}
	flat := strings.ReplaceAll(plain, "_", "")
	for _, w := range dialects[flat] {
		key, rest, _ := strings.Cut(w, "|")
		switch {
		case !has(key):
		case rest != "":
			return key, rest
		default:
			return key, calledHere(key)
		}
	}
	if object == "a task" && (flat == "name" || flat == "id" || flat == "taskid") {
		return "", "a task's name is its key under tasks"
	}
	return "", ""
}

func calledHere(key string) string { return `flow calls it "` + key + `"` }

// snakeCase makes max_parallel of maxParallel.
func snakeCase(word string) string {
	var b strings.Builder
	for i, r := range word {
		if 'A' <= r && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		if r == '-' {
			r = '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// dialects has for a word, in lower case without separators, the keys that it
// may mean, the likeliest first. Behind a bar stands a sentence to say instead.
var dialects = map[string][]string{
	// Of a whole file.
	"steps": {"tasks"}, "jobs": {"tasks"}, "targets": {"tasks"}, "stages": {"tasks"}, "nodes": {"tasks"}, "dag": {"tasks"}, "templates": {"tasks"}, "activities": {"tasks"},
	"cron": {"schedule", "cron"}, "scheduleinterval": {"schedule"}, "schedules": {"schedule"}, "crontab": {"schedule"},
	"triggers": {"on"}, "trigger": {"on"}, "events": {"on"},
	"catchup":   {"schedule|it stands in an entry of schedule: { cron: …, catchup: latest }"},
	"overlap":   {"schedule|it stands in an entry of schedule: { cron: …, overlap: skip }"},
	"startdate": {"start", "schedule|it is `start` in an entry of schedule"}, "enddate": {"end", "schedule|it is `end` in an entry of schedule"},
	"tz": {"timezone", "schedule|it is `timezone` in an entry of schedule"}, "timezone": {"schedule|it stands in an entry of schedule: { cron: …, timezone: Europe/Berlin }"},
	"variables": {"params", "env"}, "vars": {"params", "inputs", "env"}, "parameters": {"params", "inputs"}, "arguments": {"inputs", "params", "args"}, "inputs": {"params"}, "params": {"inputs"},
	"dotenv": {"env|read the file in the task: `. ./.env`, or set the variables under env"}, "envfile": {"env|read the file in the task: `. ./.env`, or set the variables under env"},
	"environment": {"env"}, "envs": {"env"}, "environ": {"env"},
	"pools": {"executors"}, "runners": {"executors"}, "executor": {"executors"}, "workers": {"executors"}, "queues": {"executors"}, "executors": {"executor"},
	"default": {"defaults"}, "defaultargs": {"defaults"},
	"maxactiveruns": {"concurrency"}, "maxruns": {"concurrency"}, "maxconcurrentruns": {"concurrency"}, "onlimit": {"on_limit"}, "cancelinprogress": {"on_limit|write on_limit: replace"}, "group": {"max_runs|runs are counted by the workflow's name; leave it out"},
	"failfast": {"fail_fast"}, "stoponerror": {"fail_fast"}, "stoponfailure": {"fail_fast"},
	"onfailure": {"finally|write a task with `if: failure()`, under tasks or finally", "if|write another task with `needs` and `if: failure()`"}, "onsuccess": {"finally|write a task with `if: success()` under finally", "if|write another task with `needs`"}, "onexit": {"finally"}, "handlers": {"finally"}, "handleron": {"finally"}, "teardown": {"finally"}, "cleanup": {"finally"}, "always": {"finally"}, "after": {"finally", "needs"}, "post": {"finally"},
	"results": {"outputs", "result"}, "output": {"outputs", "result"}, "returns": {"outputs", "result"}, "outputs": {"result|a task has one result; name what you need of it: tasks.ID.result.field"},
	"title": {"description", "name"}, "desc": {"description"}, "summary": {"description"}, "help": {"description"}, "doc": {"description"}, "docs": {"description"}, "comment": {"description"},
	"labels": {"tags"}, "tag": {"tags"}, "keywords": {"tags"}, "owners": {"owner"}, "author": {"owner"}, "maintainer": {"owner"},
	"secret": {"secrets"}, "credentials": {"secrets"},
	"version": {"name|a workflow file has no version; leave it out"}, "apiversion": {"name|leave it out"}, "kind": {"name|leave it out"}, "metadata": {"name|its keys stand at the top: name, description, tags"}, "spec": {"tasks|its keys stand at the top"},
	// Of a task.
	"depends": {"needs"}, "dependson": {"needs"}, "deps": {"needs"}, "dependencies": {"needs"}, "requires": {"needs"}, "upstream": {"needs"}, "upstreamtasks": {"needs"}, "waitfor": {"needs", "wait"}, "prerequisites": {"needs"}, "need": {"needs"}, "parents": {"needs"},
	"command": {"run"}, "commands": {"run"}, "cmd": {"run"}, "cmds": {"run"}, "script": {"run"}, "sh": {"run"}, "bash": {"run"}, "bashcommand": {"run"}, "shellcommand": {"run"}, "exe": {"exec"}, "program": {"exec"}, "argv": {"exec"}, "args": {"inputs", "exec"},
	"python": {"call|write `call: module:function` on an executor with runtime: python"}, "pythoncallable": {"call"}, "function": {"call"}, "func": {"call"}, "uses": {"call", "workflow"}, "expression": {"expr"}, "eval": {"expr"}, "request": {"http"}, "query": {"sql"}, "sensor": {"wait"}, "sleep": {"wait|write wait: { for: 10s }"}, "subworkflow": {"workflow"}, "include": {"workflow"}, "call": {"workflow"},
	"with": {"inputs"}, "input": {"inputs"}, "opkwargs": {"inputs"}, "opargs": {"inputs"},
	"when": {"if"}, "condition": {"if"}, "conditions": {"if"}, "preconditions": {"if"}, "precondition": {"if"}, "onlyif": {"if"}, "rules": {"if"}, "triggerrule": {"if|write it as a condition: if: always(), if: failure()"}, "unless": {"if"},
	"withitems": {"for_each"}, "loop": {"for_each"}, "foreach": {"for_each"}, "items": {"for_each"}, "withparam": {"for_each"}, "expand": {"for_each"}, "each": {"for_each"}, "for": {"for_each"}, "map": {"for_each"}, "strategy": {"matrix"}, "parallel": {"for_each", "max_parallel"}, "parallelism": {"max_parallel"}, "maxconcurrent": {"max_parallel"}, "concurrency": {"max_parallel"}, "maxactivetis": {"max_parallel"},
	"runson": {"executor"}, "pool": {"executor"}, "runner": {"executor"}, "queue": {"executor"}, "worker": {"executor"}, "agent": {"executor"},
	"timeoutsec": {"timeout"}, "timeoutsecs": {"timeout"}, "timeoutseconds": {"timeout"}, "timeoutminutes": {"timeout"}, "timeoutmin": {"timeout"}, "executiontimeout": {"timeout"}, "timelimit": {"timeout"}, "maxtime": {"timeout"}, "activedeadlineseconds": {"timeout"}, "dagruntimeout": {"timeout"}, "sla": {"deadline"},
	"retries": {"retry"}, "retrypolicy": {"retry"}, "retrystrategy": {"retry"}, "maxretries": {"retry"}, "maxattempts": {"attempts", "retry"}, "retrydelay": {"retry|write retry: { attempts: 3, delay: 2s }"}, "repeatpolicy": {"wait", "retry"},
	"limit": {"attempts"}, "count": {"attempts"}, "times": {"attempts"}, "tries": {"attempts"}, "max": {"attempts"}, "interval": {"delay", "every"}, "intervalsec": {"delay", "every"}, "initialdelay": {"delay"}, "mininterval": {"delay"}, "wait": {"delay"}, "factor": {"backoff"}, "multiplier": {"backoff"}, "exponentialbackoff": {"backoff"}, "maxinterval": {"max_delay"}, "maxintervalsec": {"max_delay"}, "maxbackoff": {"max_delay"},
	"continueon": {"continue_on_error"}, "ignoreerror": {"continue_on_error"}, "ignoreerrors": {"continue_on_error"}, "allowfailure": {"continue_on_error"}, "continueonfail": {"continue_on_error"}, "continueonfailure": {"continue_on_error"}, "softfail": {"continue_on_error"},
	"workingdirectory": {"dir"}, "workingdir": {"dir"}, "workdir": {"dir"}, "cwd": {"dir"}, "directory": {"dir"}, "chdir": {"dir"}, "path": {"dir", "file"},
	"gracetime": {"grace"}, "killafter": {"grace"}, "terminationgraceperiodseconds": {"grace"}, "signalonstop": {"grace"},
	"priorityweight": {"priority"}, "weight": {"priority"}, "resources": {"limits"}, "ulimits": {"limits"}, "ulimit": {"limits"}, "memoize": {"cache"}, "caching": {"cache"}, "sources": {"cache|write cache: { key: \"${{ hash_files('src/**') }}\" }"}, "interpreter": {"shell"}, "format": {"result"}, "resulttype": {"result"}, "xcom": {"result"},
	"container": {"run|flow runs programs of this machine; call the container in run"}, "image": {"run|flow runs programs of this machine; call the container in run"}, "docker": {"run|flow runs programs of this machine; call the container in run"},
	// Of the rest.
	"uri": {"url"}, "endpoint": {"url"}, "address": {"url"}, "verb": {"method"}, "header": {"headers"}, "data": {"json"}, "payload": {"json"}, "form": {"body"}, "statuscodes": {"expect"}, "status": {"expect"}, "expectedstatus": {"expect"},
	"dsn": {"database"}, "connection": {"database"}, "db": {"database"}, "conn": {"database"}, "statement": {"query"}, "queries": {"query"}, "bind": {"args"},
	"poll": {"every"}, "pokeinterval": {"every"}, "seconds": {"for"}, "duration": {"for"}, "time": {"at"},
	"type": {"kind"}, "maxworkers": {"workers"}, "size": {"workers"}, "slots": {"workers"}, "lang": {"runtime"}, "language": {"runtime"}, "init": {"initializer"}, "maxtasks": {"max_tasks_per_worker"}, "maxtasksperchild": {"max_tasks_per_worker"}, "pythonpath": {"path"},
	"choices": {"enum"}, "options": {"enum"}, "values": {"enum"}, "oneof": {"enum"}, "regex": {"pattern"}, "match": {"pattern"}, "minimum": {"min"}, "maximum": {"max"}, "value": {"default"}, "optional": {"required"},
	"expression_": {"cron"}, "overlappolicy": {"overlap"}, "catchupwindow": {"catchup_window"}, "misfire": {"catchup"}, "active": {"enabled"}, "paused": {"enabled"}, "disabled": {"enabled"}, "splay": {"jitter"},
	"mock": {"mocks"}, "stubs": {"mocks"}, "expected": {"expect"}, "assert": {"expect"}, "asserts": {"expect"}, "exitcode": {"exit_code"}, "mem": {"memory"}, "cpu": {"cpu_time"}, "nofile": {"open_files"}, "nproc": {"processes"}, "glob": {"file"}, "files": {"file"}, "hook": {"webhook"}, "token": {"secret"}, "expires": {"ttl"}, "expire": {"ttl"}, "maxage": {"ttl"}, "keys": {"key"},
}
