// Last of all scripts: every view has been named.
"use strict";
FFR.start();
