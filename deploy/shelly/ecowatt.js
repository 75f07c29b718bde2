// Posts this Shelly's readings to EcoWatt every ten seconds. For any Gen2 or later model with a meter; see README.md in this folder.
//
// It sends one request at a time and queues none: the next turn measures again, and the device's own counter includes the energy in
// between. While the server is away, or does not know the device yet, turns are skipped.

let URL = "http://192.168.1.10:8000/api/v1/ingest/shelly"; // your EcoWatt server
let KEY = ""; // the device's own key, if it has one
let EVERY_S = 10;
let LONGEST_PAUSE = 6; // most turns skipped after failures: a minute

let KINDS = ["switch", "cover", "pm1", "em1", "em1data", "em", "emdata", "light", "rgb", "rgbw", "cct"];
let COUNT = 4; // most components of one kind in a device

let busy = false;
let pause = 0; // turns skipped after the last failure
let left = 0; // of these, how many remain

function measured() {
  let body = { sys: { mac: Shelly.getDeviceInfo().mac, unixtime: Shelly.getComponentStatus("sys").unixtime } };
  for (let i = 0; i < KINDS.length; i++) {
    for (let id = 0; id < COUNT; id++) {
      let key = KINDS[i] + ":" + JSON.stringify(id);
      let status = Shelly.getComponentStatus(key);
      if (status) {
        body[key] = status;
      }
    }
  }
  return JSON.stringify(body);
}

function answered(result, error) {
  busy = false;
  if (error === 0 && result && result.code === 200) {
    pause = 0;
  } else {
    pause = Math.min(2 * pause + 1, LONGEST_PAUSE);
    print("EcoWatt did not take the reading:", error === 0 && result ? result.code : error);
  }
  left = pause;
}

function turn() {
  if (busy) {
    return;
  }
  if (left > 0) {
    left = left - 1;
    return;
  }
  busy = true;
  let request = { method: "POST", url: URL, body: measured(), timeout: 5, headers: { "Content-Type": "application/json" } };
  if (KEY) {
    request.headers["X-Device-Key"] = KEY;
  }
  Shelly.call("HTTP.Request", request, answered);
}

function start() {
  Timer.set(EVERY_S * 1000, true, turn);
  turn();
}

// After a power cut all devices of a house boot at once, and should not post at once.
Timer.set(Math.floor(Math.random() * EVERY_S * 1000), false, start);
