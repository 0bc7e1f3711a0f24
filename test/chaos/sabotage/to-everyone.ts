// Frontends that hand every push to everyone.
import { changeHandling } from "./requests.js";

changeHandling(
  (handler) => (request) => handler(request.type === "push" ? { ...request, target: { everyone: true } } : request),
);
