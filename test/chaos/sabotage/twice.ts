// A transport that hands over every request twice.
import { changeHandling } from "./requests.js";

changeHandling((handler) => (request) => {
  void handler(request);
  return handler(request);
});
